"""The Zero-CL losses against their definition with a matrix held constant, and their own properties."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import zero_cl_loss

Embeddings = Callable[[int, int, int], Tensor]


def matrices(x: Tensor, ridge: float) -> list[Tensor]:
    """(correlation + ridge)^(-1/2) of the rows of each view, by eigenvectors."""
    found = []
    for view in x.detach():
        values, vectors = torch.linalg.eigh(torch.corrcoef(view))
        found.append((vectors / (values + ridge).sqrt()) @ vectors.T)
    return found


def slow(rows: Tensor, constant: list[Tensor]) -> Tensor:
    """The definition of (views, things, samples): things are whitened over samples by constant matrices."""
    whitened = []
    for view, matrix in zip(rows, constant, strict=True):
        standard = torch.stack([(row - row.mean()) / row.std() for row in view])
        whitened.append(matrix @ standard)
    samples = rows.shape[-1]
    costs = []
    for a, b in itertools.combinations(whitened, 2):
        costs.append(
            torch.stack([(1 - (p @ q) / (samples - 1)) ** 2 for p, q in zip(a, b, strict=True)]).sum()
        )
    return torch.stack(costs).mean()


@pytest.mark.parametrize("variant", ["feature", "instance"])
@pytest.mark.parametrize(("views", "ridge"), [(2, 0.01), (3, 0.5), (2, 0.0)])
def test_value_and_gradient_equal_the_definition(
    views: int, ridge: float, variant: str, golden_embeddings: Embeddings
) -> None:
    shape = (16, 6) if variant == "feature" else (6, 16)
    x = golden_embeddings(views, *shape).requires_grad_()
    rows = x.mT if variant == "feature" else x
    fast = zero_cl_loss(x, variant=variant, ridge=ridge)  # type: ignore[arg-type]
    reference = slow(rows, matrices(rows, ridge))
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-10)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-10)


def test_the_matrix_counts_as_a_constant_in_the_gradient(golden_embeddings: Embeddings) -> None:
    """By differences: the loss with the matrices of the given point, which the loss itself recomputes."""
    x = golden_embeddings(2, 16, 6)
    constant, direction = matrices(x.mT, 0.01), golden_embeddings(2, 16, 6).flip(1)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(zero_cl_loss(x), x)
    h = 1e-6
    with torch.no_grad():
        up, down = (slow((x + sign * h * direction).mT, constant) for sign in (1, -1))
        free_up, free_down = (zero_cl_loss(x + sign * h * direction) for sign in (1, -1))
    along = (gradient * direction).sum().item()
    assert along == pytest.approx(((up - down) / (2 * h)).item(), abs=1e-7)
    assert along != pytest.approx(((free_up - free_down) / (2 * h)).item(), abs=1e-3)


@pytest.mark.parametrize("variant", ["feature", "instance"])
def test_equal_views_cost_little_and_independent_ones_one_each(variant: str) -> None:
    shape = (2, 4096, 8) if variant == "feature" else (2, 8, 4096)
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert zero_cl_loss(x[[0, 0]], variant=variant, ridge=0).item() == pytest.approx(0, abs=1e-12)  # type: ignore[arg-type]
    assert zero_cl_loss(x[[0, 0]], variant=variant).item() == pytest.approx(8 * (0.01 / 1.01) ** 2, rel=0.1)  # type: ignore[arg-type]
    assert zero_cl_loss(x, variant=variant).item() == pytest.approx(8, abs=0.8)  # type: ignore[arg-type]


def test_scale_and_mean_of_each_feature_are_free(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 6)
    moved = x * torch.logspace(-2, 2, 6, dtype=x.dtype) + torch.arange(6)
    assert zero_cl_loss(moved).item() == pytest.approx(zero_cl_loss(x).item(), abs=1e-9)
    shuffled = x[:, torch.randperm(16, generator=torch.Generator().manual_seed(0))]
    assert zero_cl_loss(shuffled).item() == pytest.approx(zero_cl_loss(x).item(), abs=1e-9)


def test_instances_are_features_of_the_transpose(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 16, 6)
    transposed = zero_cl_loss(x.mT, variant="instance").item()
    assert transposed == pytest.approx(zero_cl_loss(x, variant="feature").item(), abs=1e-10)


def test_with_a_ridge_there_may_be_more_features_than_images(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 8, 32).float().requires_grad_()
    (gradient,) = torch.autograd.grad(zero_cl_loss(x), x)
    assert gradient.isfinite().all()
    with pytest.raises(WhiteningFailed, match="a slice of 8 images cannot whiten 32 dimensions"):
        zero_cl_loss(x, ridge=0)


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 32, 8).bfloat16()
    expected = zero_cl_loss(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = zero_cl_loss(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_what_does_not_fit_is_named(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 6)
    with pytest.raises(ValueError, match="variant must be 'feature' or 'instance', not 'both'"):
        zero_cl_loss(x, variant="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ridge must be 0 or more, not -1"):
        zero_cl_loss(x, ridge=-1)
    with pytest.raises(ValueError, match="hold one view of each image"):
        zero_cl_loss(x[:1])
    x[0, :, 3] = 1
    with pytest.raises(WhiteningFailed, match="a dimension does not vary"):
        zero_cl_loss(x)
