"""A ranking loss in the style of S2R2: average precision, with every view of the batch as a query.

The idea is that of Varamesh, Diba, Tuytelaars, Van Gool ("Self-supervised ranking for representation
learning", 2020, arXiv 2010.07258). How they relax average precision could not be verified, so the relaxation
is our choice of two published ones.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from wmse_tui.engine.losses.shapes import check_embeddings
from wmse_tui.engine.precision import at_least_float32, full_precision

Relaxation = Literal["quantised", "smooth"]
_NOTHING = 1e-16  # what is added to an empty count before it divides


def ranking_loss(
    embeddings: Tensor,
    *,
    relaxation: Relaxation = "quantised",
    bins: int = 25,
    temperature: float = 0.01,
) -> Tensor:
    """One minus the average precision with which each view finds the other views of its image.

    Every view is a query; all other views of the batch are ranked by their cosine to it; those of the same
    image are its positives. The query is in no list of its own. The mean over queries.

    "quantised" (Revaud et al., ICCV 2019): cosines fall into `bins` triangular
    bins from 1 down to -1; precision is read off after each bin and weighted with the recall that the bin
    adds. "smooth" (Brown et al., ECCV 2020): AP = mean over positives i of R⁺(i) / R(i), the ranks of i among
    the positives and among all, where a sigmoid of (s_j - s_i) / temperature counts j before i.

    Args:
        embeddings: (views, batch, dim), two views and two images or more.
        relaxation: how average precision becomes differentiable.
        bins: of "quantised", 2 or more.
        temperature: of "smooth", positive.

    Returns:
        A scalar in [0, 1], float32 or float64 for float64 embeddings, also under autocast. Memory grows with
        (views · batch)², times views for "smooth".

    Raises:
        ValueError, TypeError: shapes, dtype, relaxation, bins or temperature do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> round(ranking_loss(views).item(), 1)  # unrelated views: the precision is almost 0
        1.0
    """
    check_embeddings(embeddings)
    views, batch, _ = embeddings.shape
    if batch < 2:
        raise ValueError("one image has no negatives; a ranking needs a batch of two or more")
    if relaxation not in ("quantised", "smooth"):
        raise ValueError(f"relaxation must be 'quantised' or 'smooth', not {relaxation!r}")
    if bins < 2:
        raise ValueError(f"bins must be 2 or more, not {bins}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, not {temperature}")
    with full_precision(embeddings.device.type):
        z = normalize(at_least_float32(embeddings), dim=-1).flatten(0, 1)
        cosine = z @ z.T
        view, image = (torch.arange(n, device=z.device)[:, None] for n in (views, batch))
        others = (view + view[1:].T) % views  # (views, views - 1)
        positives = cosine.gather(1, (others[:, None] * batch + image).flatten(0, 1))
        everyone = cosine.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)
        if relaxation == "quantised":
            precision = _quantised(everyone, positives, bins)
        else:
            precision = _smooth(everyone, positives, temperature)
        return 1 - precision.mean()


def _quantised(everyone: Tensor, positives: Tensor, bins: int) -> Tensor:
    """(queries,): average precision over soft bins; -inf in `everyone` is no view."""
    width = 2 / (bins - 1)
    total = torch.full_like(positives[:, :1], everyone.shape[1] - 1)  # the last bin counts every other view
    found = torch.full_like(positives[:, :1], positives.shape[1])
    up_to = torch.cat([cast("Tensor", Ramps.apply((1 - everyone) / width, bins - 1)), total], 1)
    right = torch.cat([cast("Tensor", Ramps.apply((1 - positives) / width, bins - 1)), found], 1)
    added = right.diff(dim=1, prepend=torch.zeros_like(found)) / positives.shape[1]
    return (right / (up_to + _NOTHING) * added).sum(1)


def _smooth(everyone: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """(queries,): average precision with sigmoids for steps; -inf in `everyone` is no view."""
    # Against itself an entry counts 1/2; the rank of the first is 1, so 1/2 is added.
    rank = 0.5 + ((everyone[:, None] - positives[:, :, None]) / temperature).sigmoid().sum(-1)
    among = 0.5 + ((positives[:, None] - positives[:, :, None]) / temperature).sigmoid().sum(-1)
    return (among / rank).mean(1)


class Ramps(torch.autograd.Function):
    """(x (queries, n), count) -> (queries, count): entry m is Σ_j clamp(m + 1 - x_j, 0, 1).

    How much of the x is in the triangular bins 0 to m, whose centres are 0, 1, 2 ...: the bins up to m add
    up to a ramp between m and m + 1. Only one ramp moves with an x, so the backward pass indexes that one,
    and no (queries, n, count) array ever exists.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.count = count
        return torch.stack([(m + 1 - x).clamp(0, 1).sum(1) for m in range(count)], 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        inside = (x > 0) & (x < ctx.count)
        ramp = x.nan_to_num().clamp(0, ctx.count - 1).floor().long()  # NaN would index out of bounds
        return -gradients[0].gather(1, ramp) * inside, None
