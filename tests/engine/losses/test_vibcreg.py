"""The VIbCReg loss against its definition with the published recurrence, and its own properties."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import vibcreg_loss, vicreg_loss
from wmse_tui.engine.losses.vibcreg import groups_for_width, vibcreg_terms

Embeddings = Callable[[int, int, int], Tensor]


def newton(x: Tensor, steps: int) -> Tensor:
    """Channels of (samples, width) whitened over samples by the recurrence as it is published."""
    rows = (x - x.mean(0)).T
    covariance = rows @ rows.T / (rows.shape[1] - 1)
    trace = covariance.trace()
    p = torch.eye(len(rows), dtype=x.dtype)
    for _ in range(steps):
        p = 1.5 * p - 0.5 * torch.linalg.matrix_power(p, 3) @ covariance / trace
    return (p @ rows / trace**0.5).T


def slow(x: Tensor, *, steps: int, groups: int) -> Tensor:
    """The definition pair by pair; correlations by torch's own function."""
    dim = x.shape[2]
    whitened = [
        torch.cat([newton(part, steps) for part in view.chunk(groups, dim=1)], 1) if steps else view
        for view in x
    ]

    def alone(z: Tensor) -> Tensor:
        lack = (1 - (z.var(0) + 1e-4).sqrt()).clamp_min(0).mean()
        c = torch.corrcoef(z.T)
        return 25 * lack + 200 * (c.square().sum() - c.diagonal().square().sum()) / dim**2

    costs = [
        25 * (a - b).square().mean() + alone(a) + alone(b) for a, b in itertools.combinations(whitened, 2)
    ]
    return torch.stack(costs).mean()


@pytest.mark.parametrize(("views", "steps", "groups"), [(2, 5, 1), (3, 2, 2), (2, 0, 1), (4, 7, 3)])
def test_value_and_gradient_equal_the_definition(
    views: int, steps: int, groups: int, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(views, 16, 6).requires_grad_()
    fast = vibcreg_loss(x, steps=steps, groups=groups)
    reference = slow(x, steps=steps, groups=groups)
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-10)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("steps", [0, 3])
def test_gradient_is_the_derivative(steps: int, golden_embeddings: Embeddings) -> None:
    loss = partial(vibcreg_loss, steps=steps, groups=2, correlation=5.0)
    assert torch.autograd.gradcheck(loss, (golden_embeddings(3, 7, 4).requires_grad_(),))


def test_without_whitening_and_covariance_it_is_vicreg(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 16, 6)
    ours = vibcreg_loss(x, steps=0, correlation=0.0)
    assert ours.item() == pytest.approx(vicreg_loss(x, covariance=0.0).item(), abs=1e-12)


def test_the_covariance_term_is_scale_free_and_whitening_removes_it(
    golden_embeddings: Embeddings,
) -> None:
    x = golden_embeddings(2, 64, 6)
    mixed = x @ (torch.eye(6, dtype=x.dtype) + 1.0)
    shared = [vibcreg_terms(z, steps=0)[2].item() for z in (mixed, 1e-3 * mixed)]
    assert shared[0] == pytest.approx(shared[1], rel=1e-9)
    white = vibcreg_terms(mixed, steps=30, groups=1)[2].item()
    assert white < 1e-12 < 0.1 < shared[0]


def test_what_a_view_is_scaled_by_is_free_where_it_is_whitened(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 6)
    scaled = x * torch.tensor([0.01, 30.0], dtype=x.dtype)[:, None, None] + 2
    assert vibcreg_loss(scaled).item() == pytest.approx(vibcreg_loss(x).item(), abs=1e-9)


@pytest.mark.parametrize(
    ("dim", "groups"), [(2048, 64), (64, 2), (32, 1), (8, 1), (48, 2), (62, 2), (37, 37)]
)
def test_groups_are_of_32_channels_or_fewer(dim: int, groups: int) -> None:
    assert groups_for_width(dim) == groups


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 8).bfloat16()
    expected = vibcreg_loss(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = vibcreg_loss(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(WhiteningFailed, match="no dimension of a slice varies"):
        vibcreg_loss(torch.ones(2, 8, 4))
    with pytest.raises(ValueError, match="hold one view of each image"):
        vibcreg_loss(torch.ones(1, 8, 4))
    with pytest.raises(ValueError, match="a batch of two or more"):
        vibcreg_loss(torch.ones(2, 1, 4))
    with pytest.raises(ValueError, match="steps must be 0 or more, not -1"):
        vibcreg_loss(torch.ones(2, 8, 4), steps=-1)
    with pytest.raises(ValueError, match=r"weights must be 0 or more, not -1, 25\.0, 200\.0"):
        vibcreg_loss(torch.ones(2, 8, 4), invariance=-1)
