"""The W-MSE loss against golden numbers, a slow reference and its own definition; and four mistakes it must
not make.

The golden numbers were taken from the authors' published code (whitening and loss, slices in natural order,
float64).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import w_mse_loss

Embeddings = Callable[[int, int, int], Tensor]

# views, batch, dim, whitening size: sum of the input; cosine, Euclidean, cosine at eps 1e-3; the norm of the
# gradient of the cosine form
GOLDEN = {
    (2, 16, 8, 16): (3.2194742560, 0.877621268747, 0.764623893231, 0.857825004253, 1.284873268116),
    (4, 32, 8, 32): (-9.6626496315, 0.617686959465, 0.576306192586, 0.613641732757, 0.338375096875),
    (2, 32, 8, 16): (-3.4012233019, 0.871865389810, 0.715273492210, 0.858094789668, 0.865044000759),
    (2, 128, 64, 128): (8.5099754333, 0.594131006440, 0.588739226967, 0.585630972916, 0.118331625341),
    (4, 256, 128, 256): (50.2394409180, 0.595890027613, 0.592696546493, 0.587477745606, 0.032563435462),
}


def natural(batch: int) -> Tensor:
    """The permutation that leaves the batch as it is."""
    return torch.arange(batch)[None]


@pytest.mark.parametrize("shape", GOLDEN, ids=str)
def test_values_and_gradient_are_those_of_the_authors_code(
    shape: tuple[int, int, int, int], golden_embeddings: Embeddings
) -> None:
    views, batch, dim, size = shape
    checksum, cosine, euclidean, shrunk, gradient_norm = GOLDEN[shape]
    x = golden_embeddings(views, batch, dim).requires_grad_()
    loss = partial(w_mse_loss, whitening_size=size, permutations=natural(batch))
    assert x.sum().item() == pytest.approx(checksum, abs=1e-9)
    assert loss(x).item() == pytest.approx(cosine, abs=1e-9)
    assert loss(x, normalize=False).item() == pytest.approx(euclidean, abs=1e-9)
    assert loss(x, eps=1e-3).item() == pytest.approx(shrunk, abs=1e-9)
    assert loss(x.float()).item() == pytest.approx(cosine, abs=1e-6)
    (gradient,) = torch.autograd.grad(loss(x), x)
    assert gradient.norm().item() == pytest.approx(gradient_norm, abs=1e-9)


def slow(x: Tensor, *, size: int, permutations: Tensor, eps: float = 0.0, normalize: bool = True) -> Tensor:
    """The definition, one slice of one view at a time, by inverting each factor; gradients by autograd."""
    views, batch, dim = x.shape
    total = x.new_zeros(())
    for order in permutations:
        z = {}
        for view, start in itertools.product(range(views), range(0, batch, size)):
            rows = order[start : start + size]
            covariance = (1 - eps) * torch.cov(x[view, rows].T) + eps * torch.eye(dim, dtype=x.dtype)
            whitener = torch.linalg.inv(torch.linalg.cholesky(covariance))
            centre = x[view, rows].mean(0)
            for row in rows.tolist():
                z[view, row] = whitener @ (x[view, row] - centre)
        for first, second in itertools.combinations(range(views), 2):
            for row in range(batch):
                a, b = z[first, row], z[second, row]
                if normalize:
                    distance = 2 - 2 * (a @ b) / (a.norm() * b.norm())
                else:
                    distance = ((a - b) ** 2).sum() / dim
                total = total + distance / batch
    return total / (len(permutations) * views * (views - 1) / 2)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("eps", [0.0, 0.05])
@pytest.mark.parametrize(("views", "iterations"), [(2, 1), (3, 2), (4, 3)])
def test_value_and_gradient_equal_nested_loops(
    views: int, iterations: int, eps: float, normalize: bool, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(views, 24, 4).requires_grad_()
    generator = torch.Generator().manual_seed(5)
    permutations = torch.stack([torch.randperm(24, generator=generator) for _ in range(iterations)])
    fast = w_mse_loss(x, whitening_size=8, eps=eps, normalize=normalize, permutations=permutations)
    reference = slow(x, size=8, permutations=permutations, eps=eps, normalize=normalize)
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_gradient_is_the_derivative(eps: float, normalize: bool, golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 12, 3).requires_grad_()
    permutations = torch.stack([torch.arange(12), torch.arange(12).flip(0).roll(2)])

    def loss(x: Tensor) -> Tensor:
        return w_mse_loss(x, whitening_size=6, eps=eps, normalize=normalize, permutations=permutations)

    assert torch.autograd.gradcheck(loss, (x,))


# The checks that separate the paper's loss from what is often mistaken for it. Each needs a one-slice loss.

Loss = Callable[[Tensor], Tensor]


def golden_value(loss: Loss, x: Tensor) -> None:
    assert loss(x).item() == pytest.approx(GOLDEN[2, 128, 64, 128][1], abs=1e-9)


def golden_gradient(loss: Loss, x: Tensor) -> None:
    (gradient,) = torch.autograd.grad(loss(x.requires_grad_()), x)
    assert gradient.norm().item() == pytest.approx(GOLDEN[2, 128, 64, 128][4], abs=1e-9)


def every_view_is_trained(loss: Loss, x: Tensor) -> None:
    (gradient,) = torch.autograd.grad(loss(x.requires_grad_()), x)
    assert (gradient.flatten(1).norm(dim=1) > 1e-3).all()


def own_mean_and_scale(loss: Loss, x: Tensor) -> None:
    moved = torch.stack([x[0], 3 * x[1] + torch.linspace(-2, 2, x.shape[-1], dtype=x.dtype)])
    assert loss(moved).item() == pytest.approx(loss(x).item(), abs=1e-9)


def triangular_maps_are_free(loss: Loss, x: Tensor) -> None:
    dim = x.shape[-1]
    lower = torch.eye(dim, dtype=x.dtype) + torch.ones(dim, dim, dtype=x.dtype).tril(-1) / dim
    assert loss(torch.stack([x[0], x[1] @ lower.T])).item() == pytest.approx(loss(x).item(), abs=1e-9)


def rotations_count(loss: Loss, x: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    square = torch.randn(x.shape[-1], x.shape[-1], dtype=x.dtype, generator=generator)
    rotation = torch.linalg.qr(square).Q
    assert abs(loss(x @ rotation).item() - loss(x).item()) > 1e-3


def autocast_is_left(loss: Loss, x: Tensor) -> None:
    x = x.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = loss(x)
    assert under_autocast.dtype == torch.float32
    assert under_autocast.item() == pytest.approx(GOLDEN[2, 128, 64, 128][1], abs=1e-5)


CHECKS = (
    golden_value,
    golden_gradient,
    every_view_is_trained,
    own_mean_and_scale,
    triangular_maps_are_free,
    rotations_count,
    autocast_is_left,
)


def paper(x: Tensor) -> Tensor:
    return w_mse_loss(x, whitening_size=x.shape[1])


def whitened(x: Tensor) -> Tensor:
    """Right as long as products are not shortened: Cholesky whitening without care for precision."""
    centred = x - x.mean(0)
    lower = torch.linalg.cholesky(centred.T @ centred / (len(x) - 1))
    z: Tensor = torch.linalg.solve_triangular(lower, centred.T.to(lower.dtype), upper=False).T
    return z


def cosine_distance(first: Tensor, second: Tensor) -> Tensor:
    return (2 - 2 * torch.nn.functional.cosine_similarity(first, second, dim=-1)).mean()


def joint_whitening(x: Tensor) -> Tensor:
    first, second = whitened(x.flatten(0, 1)).view(x.shape)
    return cosine_distance(first, second)


def detached_view(x: Tensor) -> Tensor:
    return cosine_distance(whitened(x[0]), whitened(x[1]).detach())


def zca(x: Tensor) -> Tensor:
    def symmetric(x: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(torch.cov(x.T))
        z: Tensor = (x - x.mean(0)) @ (vectors * values.rsqrt()) @ vectors.T
        return z

    return cosine_distance(symmetric(x[0]), symmetric(x[1]))


def bfloat16_covariance(x: Tensor) -> Tensor:
    return cosine_distance(whitened(x[0]), whitened(x[1]))


MISTAKES: dict[Loss, str] = {  # with the checks that reject each
    joint_whitening: "golden_value golden_gradient own_mean_and_scale triangular_maps_are_free "
    "rotations_count autocast_is_left",
    detached_view: "golden_gradient every_view_is_trained autocast_is_left",
    zca: "golden_value golden_gradient triangular_maps_are_free rotations_count autocast_is_left",
    bfloat16_covariance: "autocast_is_left",
}


def rejections(loss: Loss, x: Tensor) -> set[str]:
    """The names of the checks that `loss` fails."""
    failed = set()
    for check in CHECKS:
        try:
            check(loss, x.clone())
        except (AssertionError, RuntimeError):  # RuntimeError: torch's, of a covariance without a factor
            failed.add(check.__name__)
    return failed


def test_the_loss_passes_every_check(golden_embeddings: Embeddings) -> None:
    assert rejections(paper, golden_embeddings(2, 128, 64)) == set()


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_each_mistake_of_others_is_rejected(mistake: Loss, golden_embeddings: Embeddings) -> None:
    assert rejections(mistake, golden_embeddings(2, 128, 64)) == set(MISTAKES[mistake].split())


def test_every_view_of_four_is_trained(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(4, 32, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(w_mse_loss(x, whitening_size=16), x)
    norms = gradient.flatten(1).norm(dim=1)
    assert norms.min() > 0.5 * norms.max()


def test_gradients_of_a_slice_sum_to_zero_and_do_not_scale_a_view(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 32, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(w_mse_loss(x, whitening_size=16, permutations=natural(32)), x)
    assert gradient.view(2, 2, 16, 8).sum(2).abs().max() < 1e-12
    assert (gradient * x).sum((1, 2)).abs().max() < 1e-12


def test_the_order_of_views_does_not_matter(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 32, 8)
    loss = partial(w_mse_loss, whitening_size=16, permutations=natural(32))
    assert loss(x[[2, 0, 1]]).item() == pytest.approx(loss(x).item(), abs=1e-12)


@pytest.mark.parametrize("normalize", [True, False])
def test_equal_views_cost_nothing_and_independent_ones_two(normalize: bool) -> None:
    x = torch.randn(2, 4096, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    loss = partial(w_mse_loss, whitening_size=4096, permutations=natural(4096), normalize=normalize)
    assert loss(x[[0, 0]]).item() == 0
    assert loss(x).item() == pytest.approx(2, abs=0.05)


def test_opposite_views_cost_four(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(1, 32, 8)[0]
    assert w_mse_loss(torch.stack([x, -x]), whitening_size=32).item() == pytest.approx(4, abs=1e-12)


def test_slices_have_their_own_statistics_and_hold_the_same_images_in_every_view(
    golden_embeddings: Embeddings,
) -> None:
    x = golden_embeddings(2, 32, 8)
    permutations = torch.arange(32).view(2, 16).T.reshape(1, 32)  # 0, 16, 1, 17, ...
    moved = x.clone()
    loss = partial(w_mse_loss, whitening_size=16, permutations=permutations)
    before = loss(x).item()
    moved[1, permutations[0, :8]] += 1.0  # half of the first slice of the second view
    assert loss(moved).item() != pytest.approx(before, abs=1e-3)
    moved[1, permutations[0, 8:16]] += 1.0  # its other half
    assert loss(moved).item() == pytest.approx(before, abs=1e-12)


def test_iterations_are_the_mean_over_their_permutations(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 32, 8)
    orders = torch.stack([torch.randperm(32, generator=torch.Generator().manual_seed(s)) for s in range(3)])
    single = [w_mse_loss(x, whitening_size=16, permutations=order[None]).item() for order in orders]
    together = w_mse_loss(x, whitening_size=16, iterations=3, permutations=orders).item()
    assert len({round(value, 6) for value in single}) == 3
    assert together == pytest.approx(sum(single) / 3, abs=1e-12)


def test_random_orders_come_from_the_generator(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 32, 8)

    def draw(seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        return w_mse_loss(x, whitening_size=16, iterations=2, generator=generator).item()

    before = torch.get_rng_state()
    assert draw(1) == draw(1) != draw(2)
    assert torch.equal(torch.get_rng_state(), before)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(3))
    drawn = w_mse_loss(x, whitening_size=16, generator=torch.Generator().manual_seed(3))
    assert drawn.item() == w_mse_loss(x, whitening_size=16, permutations=order[None]).item()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_promoted_before_anything_is_computed(
    dtype: torch.dtype, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(2, 32, 8).to(dtype)
    expected = w_mse_loss(x.float(), whitening_size=32, permutations=natural(32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = w_mse_loss(x, whitening_size=32, permutations=natural(32))
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)


def test_a_slice_not_larger_than_the_embedding_fails_with_both_numbers(golden_embeddings: Embeddings) -> None:
    with pytest.raises(WhiteningFailed, match="a slice of 8 images cannot whiten 8 dimensions"):
        w_mse_loss(golden_embeddings(2, 32, 8), whitening_size=8)


@pytest.mark.parametrize(
    ("shape", "kwargs", "text"),
    [
        ((32, 8), {}, r"must be \(views, batch, dim\), not \(32, 8\)"),
        ((1, 32, 8), {}, "hold one view of each image"),
        ((2, 24, 8), {}, "a batch of 24 images cannot be cut into slices of 16"),
        ((2, 32, 8), {"iterations": 0}, "iterations must be 1 or more, not 0"),
        ((2, 32, 8), {"permutations": torch.arange(16)[None]}, r"must be \(iterations, 32\), not \(1, 16\)"),
        (
            (2, 32, 8),
            {"iterations": 3, "permutations": natural(32)},
            "1 permutations were passed for 3 iterations",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_named(
    shape: tuple[int, ...], kwargs: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        w_mse_loss(torch.ones(shape), whitening_size=16, **kwargs)  # type: ignore[arg-type]


def test_whole_numbers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"must be floating-point numbers, not torch\.int64"):
        w_mse_loss(torch.ones(2, 32, 8, dtype=torch.int64), whitening_size=16)


@pytest.mark.parametrize("operator", ["zca", "pca", "iterative", "standardise"])
def test_another_operator_replaces_the_factor(operator: str, golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 24, 4).requires_grad_()
    permutations = torch.stack([natural(24)[0], torch.arange(24).flip(0).roll(5)])

    def root(covariance: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(covariance)
        axes = vectors * vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign().detach()
        newton = torch.eye(4, dtype=x.dtype)
        for _ in range(3):
            newton = 1.5 * newton - 0.5 * newton @ newton @ newton @ covariance / covariance.trace()
        roots: dict[str, Tensor] = {
            "zca": (vectors / values.sqrt()) @ vectors.T,
            "pca": (axes / values.sqrt()).T.flip(0),
            "iterative": newton / covariance.trace().sqrt(),
            "standardise": torch.diag(covariance.diagonal().rsqrt()),
        }
        return roots[operator]

    distances = []
    for order in permutations:
        for rows in order.view(3, 8):
            z = [(x[i, rows] - x[i, rows].mean(0)) @ root(torch.cov(x[i, rows].T)).T for i in range(3)]
            distances += [cosine_distance(a, b) for a, b in itertools.combinations(z, 2)]
    expected = torch.stack(distances).mean()
    loss = w_mse_loss(x, whitening_size=8, operator=operator, steps=3, permutations=permutations)  # type: ignore[arg-type]
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
    (gradient,) = torch.autograd.grad(loss, x)
    (exact,) = torch.autograd.grad(expected, x)
    torch.testing.assert_close(gradient, exact, rtol=0, atol=1e-11)


def test_without_an_operator_the_views_are_compared_as_they_are(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 24, 4)
    loss = w_mse_loss(x, whitening_size=8, operator="none")
    assert loss.item() == pytest.approx(cosine_distance(x[0], x[1]).item(), abs=1e-12)
