"""The ranking loss against its definition query by query, true average precision, and its own properties."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.losses import ranking_loss

Embeddings = Callable[[int, int, int], Tensor]


def lists(x: Tensor) -> list[tuple[list[Tensor], list[bool]]]:
    """For each view of each image: the cosines of all others to it, and which of them show its image."""
    views, batch, _ = x.shape
    found = []
    for v in range(views):
        for n in range(batch):
            others = [(w, m) for w in range(views) for m in range(batch) if (w, m) != (v, n)]
            cosines = [torch.cosine_similarity(x[v, n], x[w, m], dim=0) for w, m in others]
            found.append((cosines, [m == n for _, m in others]))
    return found


def quantised(x: Tensor, bins: int) -> Tensor:
    """Bin by bin: triangular shares, the first and the last bin flat outside."""
    width = 2 / (bins - 1)
    precisions = []
    for cosines, positive in lists(x):
        n, p, average = x.new_zeros(()), x.new_zeros(()), x.new_zeros(())
        for k in range(bins):
            centre = 1 - k * width
            shares = [(1 - (s - centre).abs() / width).clamp_min(0) for s in cosines]
            mine = torch.stack(
                [share for share, is_one in zip(shares, positive, strict=True) if is_one]
            ).sum()
            n, p = n + torch.stack(shares).sum(), p + mine
            average = average + p / (n + 1e-16) * mine / sum(positive)
        precisions.append(average)
    return 1 - torch.stack(precisions).mean()


def smooth(x: Tensor, temperature: float) -> Tensor:
    """Rank by rank: 1 and a sigmoid for everybody else."""
    precisions = []
    for cosines, positive in lists(x):
        parts = []
        for i, s in enumerate(cosines):
            if positive[i]:
                before = [((t - s) / temperature).sigmoid() for j, t in enumerate(cosines) if j != i]
                like = [is_one for j, is_one in enumerate(positive) if j != i]
                among = 1 + sum(b for b, is_one in zip(before, like, strict=True) if is_one)
                parts.append(among / (1 + torch.stack(before).sum()))
        precisions.append(torch.stack(parts).mean())
    return 1 - torch.stack(precisions).mean()


def true_precision(x: Tensor) -> float:
    """Average precision by sorting."""
    averages = []
    for cosines, positive in lists(x):
        order = torch.stack(cosines).argsort(descending=True)
        hits = torch.tensor(positive)[order].double()
        precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
        averages.append(((precision * hits).sum() / hits.sum()).item())
    return sum(averages) / len(averages)


@pytest.mark.parametrize("views", [2, 3, 4])
@pytest.mark.parametrize(
    ("relaxation", "options", "reference"),
    [
        ("quantised", {"bins": 25}, partial(quantised, bins=25)),
        ("quantised", {"bins": 2}, partial(quantised, bins=2)),
        ("smooth", {"temperature": 0.01}, partial(smooth, temperature=0.01)),
        ("smooth", {"temperature": 0.7}, partial(smooth, temperature=0.7)),
    ],
)
def test_value_and_gradient_equal_the_definition(
    relaxation: str,
    options: dict[str, float],
    reference: Callable[[Tensor], Tensor],
    views: int,
    golden_embeddings: Embeddings,
) -> None:
    x = golden_embeddings(views, 5, 6).requires_grad_()
    fast = ranking_loss(x, relaxation=relaxation, **options)  # type: ignore[arg-type]
    slow = reference(x)
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(slow, x)
    assert fast.item() == pytest.approx(slow.item(), abs=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-10)
    assert expected.abs().max() > 1e-3


@pytest.mark.parametrize(
    "loss", [partial(ranking_loss, bins=7), partial(ranking_loss, relaxation="smooth", temperature=0.2)]
)
def test_gradient_is_the_derivative(loss: Callable[[Tensor], Tensor], golden_embeddings: Embeddings) -> None:
    assert torch.autograd.gradcheck(loss, (golden_embeddings(3, 4, 5).requires_grad_(),))


def test_fine_relaxations_are_average_precision(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 8, 6)
    x[2] = x[2].roll(1, 0)  # one view finds nothing
    exact = 1 - true_precision(x)
    assert 0.2 < exact < 0.8
    assert ranking_loss(x, relaxation="smooth", temperature=1e-5).item() == pytest.approx(exact, abs=1e-4)
    # Not in the limit: of a positive between two bins a part is found before the rest of itself.
    assert ranking_loss(x, bins=2001).item() == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("relaxation", ["quantised", "smooth"])
def test_a_perfect_ranking_costs_nothing_and_a_point_its_share(relaxation: str) -> None:
    apart = torch.eye(6, dtype=torch.float64).expand(4, 6, 6)
    loss = partial(ranking_loss, relaxation=relaxation)  # type: ignore[arg-type]
    assert loss(apart).item() == pytest.approx(0, abs=1e-12)
    point = torch.ones(4, 6, 6, dtype=torch.float64)
    alike = 1 - 3 / 23 if relaxation == "quantised" else 1 - 2 / 12  # ties count half in a smooth rank
    assert loss(point).item() == pytest.approx(alike, abs=1e-12)


@pytest.mark.parametrize("relaxation", ["quantised", "smooth"])
def test_lengths_rotations_and_orders_are_free_and_it_stays_in_bounds(
    relaxation: str, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(3, 8, 6)
    loss = partial(ranking_loss, relaxation=relaxation)  # type: ignore[arg-type]
    noise = torch.randn(6, 6, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    rotation, _ = torch.linalg.qr(noise)
    lengths = torch.linspace(0.1, 9, 24, dtype=x.dtype).view(3, 8, 1)
    for other in (x * lengths, x @ rotation, x.flip(0), x.flip(1)):
        assert loss(other).item() == pytest.approx(loss(x).item(), abs=1e-9)
    assert 0 < loss(x).item() < 1


def test_embeddings_that_are_not_finite_give_a_loss_that_is_not(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 4, 5)
    x[0, 1, 2] = torch.nan
    x.requires_grad_()
    for relaxation in ("quantised", "smooth"):
        loss = ranking_loss(x, relaxation=relaxation)
        assert loss.isnan()
        torch.autograd.grad(loss, x)


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 8).bfloat16()
    expected = ranking_loss(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = ranking_loss(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_what_does_not_fit_is_named(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 8, 4)
    with pytest.raises(ValueError, match="hold one view of each image"):
        ranking_loss(x[:1])
    with pytest.raises(ValueError, match="a batch of two or more"):
        ranking_loss(x[:, :1])
    with pytest.raises(ValueError, match="relaxation must be 'quantised' or 'smooth', not 'hard'"):
        ranking_loss(x, relaxation="hard")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bins must be 2 or more, not 1"):
        ranking_loss(x, bins=1)
    with pytest.raises(ValueError, match="temperature must be positive, not 0"):
        ranking_loss(x, relaxation="smooth", temperature=0)
