"""Slices: consecutive runs of each permutation, the same for all views."""

from __future__ import annotations

import pytest
import torch

from wmse_tui.engine.whitening import sliced

X = torch.arange(2 * 6 * 1.0).view(2, 6, 1)  # view, image, dim: values 0..5 and 6..11


def test_without_permutations_slices_are_in_the_batchs_order() -> None:
    slices = sliced(X, whitening_size=3)
    assert slices.shape == (2, 1, 2, 3, 1)
    assert slices[1, 0, 1].flatten().tolist() == [9, 10, 11]


def test_each_permutation_cuts_all_views_alike() -> None:
    permutations = torch.tensor([[5, 0, 1, 4, 3, 2], [0, 2, 4, 1, 3, 5]])
    slices = sliced(X, whitening_size=2, permutations=permutations)
    assert slices.shape == (2, 2, 3, 2, 1)
    assert slices[0, 0, :, :, 0].tolist() == [[5, 0], [1, 4], [3, 2]]
    assert slices[0, 1, :, :, 0].tolist() == [[0, 2], [4, 1], [3, 5]]
    assert torch.equal(slices[1], slices[0] + 6)


@pytest.mark.parametrize("size", [0, 4, 7])
def test_a_size_that_does_not_divide_the_batch_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"a batch of 6 images cannot be cut into slices of {size}"):
        sliced(X, whitening_size=size)


def test_permutations_of_another_batch_are_refused() -> None:
    with pytest.raises(ValueError, match=r"permutations must be \(iterations, 6\), not \(5,\)"):
        sliced(X, whitening_size=3, permutations=torch.arange(5))


def test_the_gradient_reaches_each_image() -> None:
    x = torch.randn(3, 6, 2, dtype=torch.float64, requires_grad=True)
    permutations = torch.tensor([[5, 0, 1, 4, 3, 2], [0, 2, 4, 1, 3, 5]])
    weights = torch.randn(3, 2, 3, 2, 2, dtype=torch.float64)
    (sliced(x, whitening_size=2, permutations=permutations) * weights).sum().backward()
    expected = torch.zeros(3, 6, 2, dtype=torch.float64)
    for order, row in enumerate(permutations.tolist()):
        for place, image in enumerate(row):
            expected[:, image] += weights[:, order, place // 2, place % 2]
    torch.testing.assert_close(x.grad, expected)
