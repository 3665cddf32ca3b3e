"""The CW-RGP loss against its definition, image by image and group by group, and its own properties."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import cw_rgp_loss, w_mse_loss
from wmse_tui.engine.whitening import random_partition

Embeddings = Callable[[int, int, int], Tensor]


def orders(iterations: int, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.stack([torch.randperm(batch, generator=generator) for _ in range(iterations)])


def newton_root(covariance: Tensor) -> Tensor:
    """S^(-1/2) by Newton's iteration in plain steps: a way of its own, which autograd follows."""
    y = covariance / covariance.trace()
    z = identity = torch.eye(len(y), dtype=y.dtype)
    for _ in range(60):
        step = (3 * identity - z @ y) / 2
        y, z = y @ step, step @ z
    return z / covariance.trace().sqrt()


def slow(
    x: Tensor,
    *,
    size: int,
    groups: int,
    permutations: Tensor,
    partitions: Tensor,
    axis: str = "channel",
    eps: float = 0.0,
    normalize: bool = True,
) -> Tensor:
    """The definition: views, orders, slices and groups one at a time; gradients by autograd."""
    views, batch, dim = x.shape
    total = x.new_zeros(())
    for i, order in enumerate(permutations):
        for s, rows in enumerate(order.view(-1, size)):
            z = []
            for view in range(views):
                part = x[view, rows]
                if axis == "channel":
                    part = torch.stack([row - row.mean() for row in part])
                white: dict[int, Tensor] = {}
                for channels in partitions[view, i, s].view(groups, -1):
                    g = part[:, channels]
                    if axis == "channel":
                        covariance = g @ g.T / (len(channels) - 1)
                        shrunk = (1 - eps) * covariance + eps * torch.eye(size, dtype=x.dtype)
                        new = newton_root(shrunk) @ g
                    else:
                        g = g - g.mean(0)
                        shrunk = (1 - eps) * torch.cov(g.T) + eps * torch.eye(len(channels), dtype=x.dtype)
                        new = g @ newton_root(shrunk)
                    white |= {int(channel): new[:, k] for k, channel in enumerate(channels)}
                z.append(torch.stack([white[channel] for channel in range(dim)], dim=1))
            for a, b in itertools.combinations(z, 2):
                if normalize:
                    distance = 2 - 2 * torch.cosine_similarity(a, b, dim=1, eps=1e-12)
                else:
                    distance = (a - b).square().mean(1)
                total = total + distance.sum() / batch
    return total / (len(permutations) * views * (views - 1) / 2)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("eps", [0.0, 0.05])
@pytest.mark.parametrize(
    ("views", "iterations", "axis"), [(2, 1, "channel"), (3, 2, "channel"), (3, 2, "batch")]
)
def test_value_and_gradient_equal_the_definition(
    views: int, iterations: int, axis: str, eps: float, normalize: bool, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(views, 12, 24 if axis == "channel" else 9).requires_grad_()
    size, groups = (4, 3) if axis == "channel" else (6, 3)
    generator = torch.Generator().manual_seed(2)
    shape = (views, iterations, 12 // size, x.shape[-1])
    given = {
        "permutations": orders(iterations, 12),
        "partitions": random_partition(*shape, generator=generator),
        "groups": groups,
        "eps": eps,
        "normalize": normalize,
        "axis": axis,
    }
    fast = cw_rgp_loss(x, whitening_size=size, **given)  # type: ignore[arg-type]
    reference = slow(x, size=size, **given)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-10)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_gradient_is_the_derivative(eps: float, golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 4, 12).requires_grad_()
    loss = partial(
        cw_rgp_loss,
        whitening_size=2,
        groups=2,
        eps=eps,
        permutations=orders(2, 4),
        partitions=random_partition(3, 2, 2, 12, generator=torch.Generator().manual_seed(0)),
    )
    assert torch.autograd.gradcheck(loss, (x,))


def test_what_all_channels_of_an_image_share_is_free(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 8, 32)
    loss = partial(
        cw_rgp_loss, whitening_size=8, groups=2, permutations=orders(1, 8), partitions=torch.arange(32)
    )
    shifts = torch.linspace(-3, 3, 16, dtype=x.dtype).view(2, 8, 1)
    assert loss(x + shifts).item() == pytest.approx(loss(x).item(), abs=1e-10)
    assert loss(x * torch.tensor([0.1, 30.0], dtype=x.dtype)[:, None, None]).item() == pytest.approx(
        loss(x).item(), abs=1e-10
    )
    assert loss(x + x.new_tensor([0.0, 1.0] * 16)).item() != pytest.approx(loss(x).item(), abs=1e-3)


def test_images_of_one_slice_may_be_mixed_and_those_of_two_may_not(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 8, 32)
    natural = torch.arange(8)[None]
    loss = partial(
        cw_rgp_loss,
        whitening_size=4,
        groups=2,
        normalize=False,
        permutations=natural,
        partitions=torch.arange(32),
    )
    rotation = torch.linalg.qr(golden_embeddings(1, 4, 4)[0]).Q
    for images, free in ((slice(0, 4), True), (slice(2, 6), False)):
        mixed = x.clone()
        mixed[:, images] = rotation @ x[:, images]  # the symmetric root turns with what it whitens
        assert (abs(loss(mixed).item() - loss(x).item()) < 1e-9) == free


@pytest.mark.parametrize("normalize", [True, False])
def test_equal_views_of_one_partition_cost_nothing_and_independent_ones_two(normalize: bool) -> None:
    x = torch.randn(2, 16, 4096, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    loss = partial(
        cw_rgp_loss,
        whitening_size=16,
        groups=4,
        permutations=torch.arange(16)[None],
        partitions=torch.arange(4096),
        normalize=normalize,
    )
    assert loss(x[[0, 0]]).item() == pytest.approx(0, abs=1e-12)
    assert loss(x).item() == pytest.approx(2, abs=0.05)


def test_partitions_that_differ_between_views_cost_something_even_for_equal_ones(
    golden_embeddings: Embeddings,
) -> None:
    x = golden_embeddings(1, 8, 64).expand(2, 8, 64)
    generator = torch.Generator().manual_seed(0)
    assert cw_rgp_loss(x, whitening_size=8, groups=4, generator=generator).item() > 1e-3
    assert cw_rgp_loss(x, whitening_size=8, groups=1, generator=generator).item() < 1e-10


def test_over_the_batch_axis_in_one_group_it_is_w_mse_with_the_symmetric_root(
    golden_embeddings: Embeddings,
) -> None:
    x, permutations = golden_embeddings(3, 24, 4), orders(2, 24)
    mine = cw_rgp_loss(x, whitening_size=8, groups=1, axis="batch", permutations=permutations)
    theirs = w_mse_loss(x, whitening_size=8, operator="zca", permutations=permutations)
    assert mine.item() == theirs.item()


def test_every_view_is_trained(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(4, 16, 64).requires_grad_()
    loss = cw_rgp_loss(x, whitening_size=8, groups=4, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(loss, x)
    norms = gradient.flatten(1).norm(dim=1)
    assert norms.min() > 0.5 * norms.max()
    assert gradient.sum(-1).abs().max() < 1e-12  # what all channels share is free


def test_random_choices_come_from_the_generator(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 64)

    def draw(seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        return cw_rgp_loss(x, whitening_size=8, groups=4, iterations=2, generator=generator).item()

    before = torch.get_rng_state()
    assert draw(1) == draw(1) != draw(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 64).bfloat16()
    loss = partial(
        cw_rgp_loss, whitening_size=8, groups=2, permutations=orders(1, 16), partitions=torch.arange(64)
    )
    expected = loss(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_groups_no_wider_than_the_slice_fail_with_both_numbers(golden_embeddings: Embeddings) -> None:
    with pytest.raises(WhiteningFailed, match="a group of 8 channels cannot whiten 8 images"):
        cw_rgp_loss(golden_embeddings(2, 16, 32), whitening_size=8, groups=4)


@pytest.mark.parametrize(
    ("shape", "kwargs", "text"),
    [
        ((1, 16, 64), {}, "hold one view of each image"),
        ((2, 12, 64), {}, "a batch of 12 images cannot be cut into slices of 8"),
        ((2, 16, 62), {}, "62 dimensions cannot be divided into 4 groups of equal width"),
        ((2, 16, 64), {"iterations": 0}, "iterations must be 1 or more, not 0"),
        (
            (2, 16, 64),
            {"iterations": 3, "permutations": torch.arange(16)[None]},
            "1 permutations were passed for 3 iterations",
        ),
        ((2, 16, 64), {"partitions": torch.arange(32)}, r"partition must be \(2, 1, 2, 64\)"),
    ],
)
def test_sizes_that_do_not_fit_are_named(
    shape: tuple[int, ...], kwargs: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        cw_rgp_loss(torch.ones(shape), whitening_size=8, groups=4, **kwargs)  # type: ignore[arg-type]
