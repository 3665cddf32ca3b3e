"""The INTL loss against its definition, image by image, and its own properties."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import intl_loss
from wmse_tui.engine.losses.intl import published_weight

Embeddings = Callable[[int, int, int], Tensor]


def slow(x: Tensor, *, steps: int, axis: str, weight: float) -> Tensor:
    """The definition with the published recurrence, view by view; gradients by autograd."""
    whitened, traces = [], []
    for view in x:
        rows = view if axis == "channel" else view.T  # what is whitened, one each row
        rows = torch.stack([row - row.mean() for row in rows])
        n, samples = rows.shape
        covariance = rows @ rows.T / (samples - 1)
        trace = sum(covariance[i, i] for i in range(n))
        p = torch.eye(n, dtype=x.dtype)
        for _ in range(steps):
            p = 1.5 * p - 0.5 * torch.linalg.matrix_power(p, 3) @ covariance / trace
        z = p @ rows / trace**0.5
        traces.append(torch.stack([(1 - row @ row / (samples - 1)) ** 2 for row in z]).sum())
        whitened.append(z if axis == "channel" else z.T)
    terms = []
    for z, lacking in zip(whitened[1:], traces[1:], strict=True):
        cosine = torch.stack([a @ b / (a.norm() * b.norm()) for a, b in zip(z, whitened[0], strict=True)])
        terms.append(2 - 2 * cosine.mean() + weight * (lacking + traces[0]))
    return torch.stack(terms).mean()


@pytest.mark.parametrize("axis", ["channel", "batch"])
@pytest.mark.parametrize(("views", "steps", "weight"), [(2, 4, 0.05), (3, 1, 0.0), (4, 5, 1.5)])
def test_value_and_gradient_equal_the_definition(
    views: int, steps: int, weight: float, axis: str, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(views, 8, 20).requires_grad_()
    fast = intl_loss(x, steps=steps, axis=axis, trace_weight=weight)  # type: ignore[arg-type]
    reference = slow(x, steps=steps, axis=axis, weight=weight)
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-11)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("axis", ["channel", "batch"])
def test_gradient_is_the_derivative(axis: str, golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 4, 7).requires_grad_()
    loss = partial(intl_loss, axis=axis, trace_weight=0.3)  # type: ignore[arg-type]
    assert torch.autograd.gradcheck(loss, (x,))


def test_the_published_weight_is_that_of_what_is_whitened(golden_embeddings: Embeddings) -> None:
    assert published_weight(256) == pytest.approx(0.05)
    assert published_weight(2048) == pytest.approx(0.08)
    assert published_weight(4) == 0
    x = golden_embeddings(2, 16, 64)
    assert intl_loss(x).item() == intl_loss(x, trace_weight=0.01).item()
    assert intl_loss(x, axis="batch").item() == intl_loss(x, axis="batch", trace_weight=0.03).item()


def test_white_equal_views_cost_nothing_and_independent_ones_two() -> None:
    x = torch.randn(2, 16, 4096, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert intl_loss(x[[0, 0]], steps=20, trace_weight=1.0).item() == pytest.approx(0, abs=1e-12)
    assert intl_loss(x, trace_weight=0.0).item() == pytest.approx(2, abs=0.05)


def test_the_trace_loss_grows_as_images_come_to_be_alike(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 8, 64)
    alike = [intl_loss(x + shared * x[:, :1], trace_weight=1.0).item() for shared in (0, 3, 30)]
    assert alike == sorted(alike)
    assert alike[2] > 3 * alike[0]


def test_the_first_view_is_in_every_pair(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(4, 8, 32)
    assert intl_loss(x[[0, 2, 3, 1]]).item() == pytest.approx(intl_loss(x).item(), abs=1e-12)
    assert intl_loss(x[[1, 0, 2, 3]]).item() != pytest.approx(intl_loss(x).item(), abs=1e-4)
    pairs = [intl_loss(x[[0, i]]).item() for i in (1, 2, 3)]
    assert intl_loss(x).item() == pytest.approx(sum(pairs) / 3, abs=1e-12)


def test_what_all_channels_share_and_the_scale_of_a_view_are_free(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 8, 32)
    shifted = x + torch.linspace(-3, 3, 16, dtype=x.dtype).view(2, 8, 1)
    assert intl_loss(shifted).item() == pytest.approx(intl_loss(x).item(), abs=1e-11)
    scaled = x * torch.tensor([1e-3, 30.0], dtype=x.dtype)[:, None, None]
    assert intl_loss(scaled).item() == pytest.approx(intl_loss(x).item(), abs=1e-10)


def test_more_images_than_channels_have_a_finite_gradient(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 64, 8).float().requires_grad_()
    loss = intl_loss(x)
    (gradient,) = torch.autograd.grad(loss, x)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 64).bfloat16()
    expected = intl_loss(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = intl_loss(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_complete_collapse_is_diagnosed_and_bad_shapes_are_named() -> None:
    with pytest.raises(WhiteningFailed, match="no dimension of a slice varies"):
        intl_loss(torch.ones(2, 8, 16))
    with pytest.raises(ValueError, match="hold one view of each image"):
        intl_loss(torch.ones(1, 8, 16))
    with pytest.raises(ValueError, match="steps must be 1 or more, not 0"):
        intl_loss(torch.ones(2, 8, 16), steps=0)
