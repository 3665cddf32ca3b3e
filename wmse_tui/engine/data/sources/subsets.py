"""Which images are used when not all are: balanced over classes, and the same for every seed of a run."""

from __future__ import annotations

import torch
from torch import Tensor

from wmse_tui.engine.data.images import UNLABELLED
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.random import subset_order

_HELD_OUT_SEED = 1
"""Apart from the order of subsets, so that a subset is not drawn from the same end as the held-out images."""


def choose(count: int, labels: Tensor | None, limit: int | None, *, option: str) -> Tensor | None:
    """The numbers of `limit` of `count` images, ascending, or None for all of them.

    Where images are labelled, classes differ by at most one image as long as each has enough. A smaller
    choice is part of every larger one.

    Args:
        count: images in the set.
        labels: int64 (count,) or None.
        limit: the number to choose, or None.
        option: the option that sets the limit, for the error.

    Raises:
        DataError: there are fewer than `limit`.
    """
    if limit is None or limit == count:
        return None
    if limit > count:
        raise DataError(
            "there are not so many images",
            f"{option} asks for {limit:,} images, there are {count:,}",
            next=(f"start a new run with --set {option}={count}, or without that option",),
        )
    order = subset_order(count)
    if labels is not None:
        order = order[torch.argsort(_turns(labels[order]), stable=True)]
    return order[:limit].sort().values


def hold_out(labels: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Split labelled images into those for training and those held out, int64, ascending.

    Of each class the share is held out, rounded, but at least one image stays on either side if the class has
    two.
    """
    order = subset_order(len(labels), seed=_HELD_OUT_SEED)
    ordered = labels[order]
    sizes = torch.bincount(ordered)
    held = torch.minimum((sizes * share).round().long().clamp(min=1), sizes - 1)
    out = _turns(ordered) < held[ordered]
    return order[~out].sort().values, order[out].sort().values


def _turns(labels: Tensor) -> Tensor:
    """For each image, how many of its class come before it. Unlabelled images count as one class."""
    by_class = torch.argsort(labels, stable=True)
    sizes = torch.bincount(labels - UNLABELLED)
    starts = sizes.cumsum(0) - sizes
    turns = torch.empty_like(labels)
    turns[by_class] = torch.arange(len(labels)) - starts[labels[by_class] - UNLABELLED]
    return turns
