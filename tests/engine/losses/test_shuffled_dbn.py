"""The Shuffled-DBN loss against its definition, group by group, and its own properties."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from wmse_tui.config.methods.slices import groups_for_batch
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import shuffled_dbn_loss
from wmse_tui.engine.whitening import random_partition

Embeddings = Callable[[int, int, int], Tensor]


def slow(x: Tensor, *, groups: int, partitions: Tensor, eps: float = 0.0) -> Tensor:
    """The definition, one group of one view at a time, through eigenvectors; gradients by autograd."""
    views, batch, dim = x.shape
    whitened = []
    for view in range(views):
        z = torch.zeros(batch, dim, dtype=x.dtype)
        for channels in partitions.expand(views, dim)[view].view(groups, -1):
            c = x[view][:, channels] - x[view][:, channels].mean(0)
            covariance = (1 - eps) * c.T @ c / batch
            covariance = covariance + eps * (batch - 1) / batch * torch.eye(len(channels), dtype=x.dtype)
            values, vectors = torch.linalg.eigh(covariance)
            z = z.index_copy(1, channels, c @ vectors @ torch.diag(values**-0.5) @ vectors.T)
        whitened.append(z)
    distances = [(a - b).norm(dim=1).pow(2).mean() for a, b in itertools.combinations(whitened, 2)]
    return torch.stack(distances).mean()


@pytest.mark.parametrize("eps", [0.0, 0.05])
@pytest.mark.parametrize(("views", "groups"), [(2, 1), (2, 3), (4, 2)])
def test_value_and_gradient_equal_the_definition(
    views: int, groups: int, eps: float, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(views, 16, 6).requires_grad_()
    partitions = random_partition(views, 6, generator=torch.Generator().manual_seed(1))
    fast = shuffled_dbn_loss(x, groups=groups, eps=eps, partitions=partitions)
    reference = slow(x, groups=groups, partitions=partitions, eps=eps)
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-10)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)


def test_gradient_is_the_derivative(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 7, 4).requires_grad_()
    partitions = random_partition(3, 4, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(partial(shuffled_dbn_loss, groups=2, partitions=partitions), (x,))


def test_independent_views_cost_twice_the_dimensions_and_equal_ones_of_one_partition_nothing() -> None:
    x = torch.randn(2, 4096, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert shuffled_dbn_loss(x, groups=2).item() == pytest.approx(16, abs=0.4)
    assert shuffled_dbn_loss(x[[0, 0]], groups=2, partitions=torch.arange(8)).item() == 0


def test_shuffled_channels_differ_between_views(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(1, 32, 12).expand(2, 32, 12)
    generator = torch.Generator().manual_seed(0)
    assert shuffled_dbn_loss(x, groups=3, generator=generator).item() > 1e-3
    assert shuffled_dbn_loss(x, groups=1, generator=generator).item() < 1e-10


def test_mean_scale_and_rotation_within_a_fixed_group(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 32, 8)
    loss = partial(shuffled_dbn_loss, groups=2, partitions=torch.arange(8))
    moved = x * 3 + torch.linspace(-1, 1, 8, dtype=x.dtype)
    assert loss(moved).item() == pytest.approx(loss(x).item(), abs=1e-10)
    rotation = torch.eye(8, dtype=x.dtype)
    rotation[:4, :4] = torch.linalg.qr(golden_embeddings(1, 4, 4)[0]).Q
    assert loss(x @ rotation).item() == pytest.approx(loss(x).item(), abs=1e-10)
    across = torch.linalg.qr(golden_embeddings(1, 8, 8)[0]).Q
    assert loss(x @ across).item() != pytest.approx(loss(x).item(), abs=1e-4)


@pytest.mark.parametrize(("dim", "batch", "groups"), [(512, 512, 2), (512, 64, 16), (8, 512, 1), (12, 7, 4)])
def test_groups_are_as_few_as_leave_twice_a_width_within_the_batch(dim: int, batch: int, groups: int) -> None:
    assert groups_for_batch(dim, batch) == groups


def test_without_a_number_of_groups_it_is_the_fewest(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 32)
    partitions = torch.arange(32)
    expected = shuffled_dbn_loss(x, groups=4, partitions=partitions)
    assert shuffled_dbn_loss(x, partitions=partitions).item() == expected.item()


def test_partitions_come_from_the_generator(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 32)

    def draw(seed: int) -> float:
        return shuffled_dbn_loss(x, generator=torch.Generator().manual_seed(seed)).item()

    assert draw(1) == draw(1) != draw(2)


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 32, 8).bfloat16()
    loss = partial(shuffled_dbn_loss, partitions=torch.arange(8))
    expected = loss(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_what_cannot_be_whitened_and_what_does_not_fit() -> None:
    with pytest.raises(WhiteningFailed, match="a slice of 8 images cannot whiten 8 dimensions"):
        shuffled_dbn_loss(torch.randn(2, 8, 16), groups=2)
    with pytest.raises(ValueError, match="16 dimensions cannot be divided into 3 groups"):
        shuffled_dbn_loss(torch.randn(2, 8, 16), groups=3)
    with pytest.raises(ValueError, match="hold one view of each image"):
        shuffled_dbn_loss(torch.randn(1, 8, 16))
