"""Every operator: the formula, the derivative, axis and groups, relative shrinkage, degenerate spectra."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.whitening import Layout, Operator, diagnose, random_partition, whiten
from wmse_tui.engine.whitening.slices import Axis

OPERATORS: tuple[Operator, ...] = ("cholesky", "zca", "pca", "iterative", "standardise", "none")
WHITE: tuple[Operator, ...] = ("cholesky", "zca", "pca")
STEPS = 3


def correlated(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Random embeddings whose dimensions differ in scale, depend on each other, and are not centred."""
    generator = torch.Generator().manual_seed(seed)
    dim = shape[-1]
    mixing = torch.randn(dim, dim, dtype=torch.float64, generator=generator) / dim + torch.eye(dim)
    mixing = mixing * torch.linspace(0.5, 2, dim, dtype=torch.float64)
    x = torch.randn(shape, dtype=torch.float64, generator=generator) @ mixing + torch.arange(dim)
    return x.to(dtype)


def plain(x: Tensor, operator: Operator, eps: float = 0.0, *, centred: bool = False) -> Tensor:
    """One slice by the definition, differentiated by torch, through eigenvectors and plain loops."""
    samples, dim = x.shape
    c = x if centred else x - x.mean(0)
    s = (1 - eps) * c.T @ c / (samples - 1) + eps * torch.eye(dim, dtype=x.dtype)
    values, vectors = torch.linalg.eigh(s)
    if operator == "cholesky":
        inverse: Tensor = torch.linalg.inv(torch.linalg.cholesky(s))
        return c @ inverse.T
    if operator == "zca":
        root: Tensor = vectors @ torch.diag(values**-0.5) @ vectors.T
        return c @ root
    if operator == "pca":
        axes = [vectors[:, i] for i in reversed(range(dim))]
        axes = [axis * torch.sign(axis[axis.abs().argmax()]).detach() for axis in axes]
        return torch.stack([c @ a / v.sqrt() for a, v in zip(axes, reversed(values), strict=True)], dim=1)
    if operator == "iterative":
        p = torch.eye(dim, dtype=x.dtype)
        for _ in range(STEPS):
            p = (3 * p - torch.linalg.matrix_power(p, 3) @ s / s.trace()) / 2
        return c @ p / s.trace().sqrt()
    if operator == "standardise":
        return c / s.diagonal().sqrt()
    return x


def by_definition(
    x: Tensor, operator: Operator, eps: float, axis: str, groups: int, partition: Tensor | None
) -> Tensor:
    """One slice, group by group."""
    dim = x.shape[1]
    order = torch.arange(dim) if partition is None else partition
    z = torch.empty_like(x)
    channel = axis == "channel"
    c = x - x.mean(1, keepdim=True) if channel else x
    for channels in order.view(groups, -1):
        part = c[:, channels]
        white = plain(part.T, operator, eps, centred=True).T if channel else plain(part, operator, eps)
        z = z.index_copy(1, channels, white)
    return z


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("eps", [0.0, 0.05, 1.0])
def test_value_and_gradient_are_those_of_the_definition(operator: Operator, eps: float) -> None:
    if operator == "pca" and eps == 1:
        return  # every basis is one of principal axes
    x = correlated(2, 3, 24, 5).requires_grad_()
    weights = correlated(2, 3, 24, 5, seed=1)
    z = whiten(x, operator=operator, eps=eps, steps=STEPS)
    expected = torch.stack([torch.stack([plain(s, operator, eps) for s in row]) for row in x])
    if operator == "zca" and eps == 1:
        expected = x - x.mean(-2, keepdim=True)  # torch's own derivative is NaN here
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-11)
    (gradient,) = torch.autograd.grad((z * weights).sum(), x)
    (exact,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(gradient, exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("relative_eps", [False, True])
@pytest.mark.parametrize("axis", ["batch", "channel"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_gradient_is_the_derivative(operator: Operator, axis: str, relative_eps: bool) -> None:
    shape = (2, 7, 6) if axis == "batch" else (2, 2, 6)
    x = correlated(*shape).requires_grad_()
    partition = random_partition(2, 6, generator=torch.Generator().manual_seed(3))

    def whitened(x: Tensor) -> Tensor:
        return whiten(
            x,
            operator=operator,
            eps=0.1,
            relative_eps=relative_eps,
            axis=axis,  # type: ignore[arg-type]
            groups=2,
            partition=partition,
            steps=STEPS,
        )

    assert torch.autograd.gradcheck(whitened, (x,))


@pytest.mark.parametrize("axis", ["batch", "channel"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("operator", ["cholesky", "zca", "iterative"])
def test_groups_are_whitened_by_themselves_and_come_back_in_order(
    operator: Operator, axis: str, shared: bool
) -> None:
    x = correlated(3, 2, 7, 24) if axis == "channel" else correlated(3, 2, 16, 24)
    shape = (24,) if shared else (3, 2, 24)
    partition = random_partition(*shape, generator=torch.Generator().manual_seed(1))
    z = whiten(x, operator=operator, axis=axis, groups=3, partition=partition, steps=STEPS)  # type: ignore[arg-type]
    for i in range(3):
        for j in range(2):
            order = partition if shared else partition[i, j]
            expected = by_definition(x[i, j], operator, 0.0, axis, 3, order)
            torch.testing.assert_close(z[i, j], expected, rtol=0, atol=1e-11)
    ordered = whiten(x, operator=operator, axis=axis, groups=3, steps=STEPS)  # type: ignore[arg-type]
    torch.testing.assert_close(
        ordered[1, 1], by_definition(x[1, 1], operator, 0.0, axis, 3, None), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("operator", WHITE)
def test_white_over_the_batch_axis_and_over_the_channel_axis(operator: Operator) -> None:
    z = whiten(correlated(2, 64, 8), operator=operator)
    torch.testing.assert_close(z.mT @ z / 63, torch.eye(8, dtype=z.dtype).expand(2, 8, 8), rtol=0, atol=1e-11)
    z = whiten(correlated(2, 8, 64), operator=operator, axis="channel")
    torch.testing.assert_close(z @ z.mT / 63, torch.eye(8, dtype=z.dtype).expand(2, 8, 8), rtol=0, atol=1e-11)
    assert z.mean(-1).abs().max() < 1e-12


def test_each_operator_keeps_its_promise() -> None:
    x = correlated(400, 6)
    c = x - x.mean(0)
    distances = {operator: (whiten(x, operator=operator) - c).square().sum().item() for operator in WHITE}
    assert min(distances, key=lambda operator: distances[operator]) == "zca"
    rotation = torch.linalg.qr(correlated(6, 6, seed=4)).Q
    turned, still = whiten(x @ rotation, operator="zca"), whiten(x, operator="zca")
    torch.testing.assert_close(turned, still @ rotation, rtol=0, atol=1e-10)
    variances = (c.T @ whiten(x, operator="pca") / 399).square().sum(0)
    assert variances.tolist() == sorted(variances.tolist(), reverse=True)
    approached = [
        (whiten(x, operator="iterative", steps=steps) - still).abs().max().item() for steps in (2, 5, 20)
    ]
    assert approached[0] > approached[1] > approached[2]
    assert approached[2] < 1e-9
    standard = whiten(x, operator="standardise")
    torch.testing.assert_close(standard, (x - x.mean(0)) / x.std(0))
    assert whiten(x, operator="none") is x


@pytest.mark.parametrize("operator", [*WHITE, "iterative", "standardise"])
def test_relative_shrinkage_does_not_know_the_scale(operator: Operator) -> None:
    x = correlated(3, 24, 6)
    z = whiten(x, operator=operator, eps=0.1, relative_eps=True)
    scales = torch.tensor([1e-3, 1.0, 1e4], dtype=x.dtype)[:, None, None]
    torch.testing.assert_close(whiten(x * scales, operator=operator, eps=0.1, relative_eps=True), z)
    assert (whiten(x * scales, operator=operator, eps=0.1) - z).abs().max() > 0.1
    mean_variance = torch.cov(x[1].T).trace() / 6
    same = whiten(x[1] / mean_variance.sqrt(), operator=operator, eps=0.1)
    torch.testing.assert_close(z[1], same)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("operator", OPERATORS)
def test_the_gradient_is_finite_where_all_eigenvalues_are_equal(
    operator: Operator, dtype: torch.dtype
) -> None:
    x, _ = torch.linalg.qr(correlated(64, 9, dtype=dtype) - correlated(64, 9, dtype=dtype).mean(0))
    white = whiten(x, operator="cholesky").requires_grad_()
    weights = correlated(64, 9, dtype=dtype, seed=1)
    for steps in (1, 5):
        z = whiten(white, operator=operator, steps=steps)
        (gradient,) = torch.autograd.grad((z * weights).sum(), white)
        assert gradient.isfinite().all()
    if operator == "zca":  # at a covariance of 1 the derivative is known: K = -1/2
        c = white - white.mean(0)
        change = torch.full((64, 9), 1e-3, dtype=dtype).cumsum(0).sin() * 1e-3
        centred = change - change.mean(0)
        expected = centred - c @ (c.T @ centred + centred.T @ c) / (2 * 63)
        assert (gradient * change).sum().item() == pytest.approx(
            (expected * weights).sum().item(), rel=1e-3, abs=1e-6
        )


@pytest.mark.parametrize("operator", ["iterative", "standardise", "none"])
def test_an_operator_without_inverse_accepts_a_deficient_covariance(operator: Operator) -> None:
    x = correlated(8, 16, dtype=torch.float32)
    x[:, 5] = x[:, 3]
    x.requires_grad_()
    z = whiten(x, operator=operator, steps=7)
    (gradient,) = torch.autograd.grad(z.pow(3).sum(), x)
    assert z.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("operator", WHITE)
def test_shrinkage_makes_a_deficient_covariance_usable(operator: Operator) -> None:
    x = correlated(8, 16, dtype=torch.float32)
    with pytest.raises(WhiteningFailed, match="a slice of 8 images cannot whiten 16 dimensions"):
        whiten(x, operator=operator)
    x.requires_grad_()
    z = whiten(x, operator=operator, eps=1e-3, relative_eps=True)
    (gradient,) = torch.autograd.grad(z.pow(3).sum(), x)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("operator", ["zca", "pca"])
@pytest.mark.parametrize("seed", range(5))
def test_a_repeated_dimension_never_passes_as_rounding_noise(operator: Operator, seed: int) -> None:
    x = correlated(128, 64, dtype=torch.float32, seed=seed)
    x[:, 40] = x[:, 3]
    with pytest.raises(WhiteningFailed, match="its 1 smallest eigenvalues are 0 or rounding"):
        whiten(x, operator=operator)


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ("zca", "its 4 smallest eigenvalues are 0"),
        ("standardise", "the variance of dimension 1 is 0 or rounding"),
        ("iterative", "all variances are 0 or rounding"),
    ],
)
@pytest.mark.parametrize("relative_eps", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.7318])
def test_complete_collapse_is_diagnosed(
    operator: Operator, text: str, value: float, relative_eps: bool
) -> None:
    x = torch.full((2, 32, 4), value)
    with pytest.raises(WhiteningFailed, match=text) as raised:
        whiten(x, operator=operator, relative_eps=relative_eps)
    assert "the embeddings have collapsed" in raised.value.title
    assert raised.value.next


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("operator", [*WHITE, "iterative", "standardise"])
def test_a_nonfinite_value_spoils_its_own_slice_and_is_diagnosed(operator: Operator, bad: float) -> None:
    x = correlated(2, 32, 4, dtype=torch.float32)
    x[1, 7, 2] = bad
    with pytest.raises(WhiteningFailed, match="the embeddings to be whitened are not all finite"):
        whiten(x, operator=operator)
    assert diagnose(x[0], operator=operator) is None


def test_narrow_groups_are_diagnosed_with_both_numbers() -> None:
    x = correlated(2, 16, 32)
    with pytest.raises(WhiteningFailed, match="a group of 16 channels cannot whiten 16 images"):
        whiten(x, operator="zca", axis="channel", groups=2)
    found = diagnose(x, operator="zca", layout=Layout("channel", 4))
    assert found is not None
    assert found.next[0] == ("set method.groups so that a group has 32 channels or more, 17 at least")
    assert diagnose(x, operator="zca", layout=Layout("channel", 1)) is None
    x[:, 1] = x[:, 0]
    found = diagnose(x, operator="zca", layout=Layout("channel", 1))
    assert found is not None
    assert "use fewer images to a slice (method.whitening_size) or more dimensions" in found.next[1]


@pytest.mark.parametrize("axis", ["batch", "channel"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_autocast_changes_neither_value_nor_gradient(operator: Operator, axis: str) -> None:
    x = correlated(2, 12, 32, dtype=torch.float32) if axis == "channel" else correlated(64, 16).float()
    x = x.bfloat16().requires_grad_()

    def whitened() -> tuple[Tensor, Tensor]:
        z = whiten(x, operator=operator, axis=axis, relative_eps=True, eps=1e-3)  # type: ignore[arg-type]
        (gradient,) = torch.autograd.grad(z.pow(3).sum(), x)
        return z, gradient

    expected = whitened()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = whitened()
    assert found[0].dtype == torch.float32
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_a_random_partition_is_one_and_comes_from_its_generator() -> None:
    draw = random_partition(3, 5, 40, generator=torch.Generator().manual_seed(1))
    assert torch.equal(draw.sort(-1).values, torch.arange(40).expand(3, 5, 40))
    assert torch.equal(draw, random_partition(3, 5, 40, generator=torch.Generator().manual_seed(1)))
    assert len({tuple(row.tolist()) for row in draw.flatten(0, 1)}) == 15


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float64, 1e-10)])
def test_many_newton_steps_stay_at_the_symmetric_root_in_value_and_gradient(
    dtype: torch.dtype, tolerance: float
) -> None:
    x = correlated(400, 6, dtype=dtype).requires_grad_()
    weights = correlated(400, 6, dtype=dtype, seed=1)
    approached, exact = whiten(x, operator="iterative", steps=40), whiten(x, operator="zca")
    torch.testing.assert_close(approached, exact, rtol=0, atol=tolerance)
    (gradient,) = torch.autograd.grad((approached * weights).sum(), x)
    (expected,) = torch.autograd.grad((exact * weights).sum(), x)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=100 * tolerance)


@pytest.mark.parametrize("operator", ["zca", "pca", "iterative"])
@pytest.mark.parametrize("axis", ["batch", "channel"])
def test_a_constant_matrix_lets_the_gradient_through_the_centred_embeddings_alone(
    operator: Operator, axis: Axis
) -> None:
    x = correlated(12, 5) if axis == "batch" else correlated(4, 12)
    weights = correlated(*x.shape, seed=1)
    x.requires_grad_()
    z = whiten(x, operator=operator, axis=axis, constant=True)
    assert torch.equal(z, whiten(x, operator=operator, axis=axis))
    (gradient,) = torch.autograd.grad((z * weights).sum(), x)
    rows, along = (x, weights) if axis == "batch" else (x.T, weights.T)
    centred = (rows - rows.mean(0)).detach()
    matrix = torch.linalg.lstsq(centred, (z if axis == "batch" else z.T).detach()).solution  # Z = C Wᵀ
    expected = along @ matrix.T
    if axis == "batch":
        expected = expected - expected.mean(0)
    else:
        expected = expected.T
        expected = expected - expected.mean(1, keepdim=True)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("operator", ["cholesky", "standardise", "none"])
def test_the_matrix_of_others_is_not_held_constant(operator: Operator) -> None:
    with pytest.raises(ValueError, match=f"the matrix of operator '{operator}' cannot be held constant"):
        whiten(correlated(12, 4), operator=operator, constant=True)
