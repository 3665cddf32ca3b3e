"""The distance of views without their pairs: equal to the pairs one by one, in value and gradient."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.benchmark.steps import count_operations
from wmse_tui.engine.losses import w_mse_loss
from wmse_tui.engine.losses.distance import ViewDistance


def by_pairs(z: Tensor, *, normalize: bool) -> Tensor:
    """The mean over pairs, each formed, by automatic differentiation."""
    distances = []
    for a, b in itertools.combinations(z, 2):
        if normalize:
            distances.append((2 - 2 * torch.cosine_similarity(a, b, dim=-1, eps=1e-12)).mean())
        else:
            distances.append((a - b).square().mean())
    return torch.stack(distances).mean()


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("shape", [(2, 5, 3), (3, 1, 2, 4, 2), (5, 7, 1)])
def test_value_and_gradient_are_those_of_the_pairs(shape: tuple[int, ...], normalize: bool) -> None:
    z = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    value, expected = ViewDistance.apply(z, normalize), by_pairs(z, normalize=normalize)
    (gradient,) = torch.autograd.grad(3 * value, z)
    (expected_gradient,) = torch.autograd.grad(3 * expected, z)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-13)


def test_a_vector_of_length_zero_has_a_finite_gradient() -> None:
    z = torch.randn(2, 4, 3)
    z[0, 1] = 0
    z.requires_grad_()
    ViewDistance.apply(z, True).backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("normalize", [True, False])
def test_no_more_is_launched_for_more_views_slices_or_iterations(normalize: bool) -> None:
    counts = set()
    for views, slices, iterations in ((2, 1, 2), (4, 1, 2), (2, 8, 2), (4, 4, 5)):
        x = torch.randn(views, 16 * slices, 4, requires_grad=True)
        orders = torch.stack([torch.randperm(16 * slices) for _ in range(iterations)])
        options = {"whitening_size": 16, "normalize": normalize, "permutations": orders}
        counts.add(count_operations(lambda x=x, options=options: w_mse_loss(x, **options).backward()))  # type: ignore[misc]
    assert len(counts) == 1
    assert 20 < counts.pop() <= 80
