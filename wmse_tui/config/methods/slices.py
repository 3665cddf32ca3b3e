"""Rules on sizes for the methods that whiten slices of a batch or groups of channels.

A linear layer cannot raise the rank of what it maps. The embeddings that a projector's last layer makes of
`Sizes.inner` channels have no higher rank, however many dimensions they have; with their mean, which its bias
may add, one more. A covariance of higher order has no inverse, whatever the images.
"""

from __future__ import annotations

from collections.abc import Iterator

from wmse_tui.config.options import Sizes, nearest_divisor
from wmse_tui.config.problems import Problem

MORE_GROUPS = "method.groups so that one has {rank} channels or fewer"
"""What to do about a group that is wider than its rank, for `rank_problems`."""


def slice_problems(whitening_size: int, batch: int) -> Iterator[Problem]:
    """A batch that cannot be cut into slices of `whitening_size` images."""
    if whitening_size > batch:
        yield Problem(
            "schedule.batch_size",
            f"a batch of {batch} images is smaller than a slice of {whitening_size} (method.whitening_size)",
            f"use a multiple of {whitening_size}",
        )
    elif batch % whitening_size:
        below = batch - batch % whitening_size
        yield Problem(
            "schedule.batch_size",
            f"{batch} images cannot be cut into slices of {whitening_size} (method.whitening_size)",
            f"use {below} or {below + whitening_size}",
        )


def group_problems(groups: int, dim: int) -> Iterator[Problem]:
    """Channels that cannot be divided into `groups` of equal width."""
    if dim % groups:
        yield Problem(
            "method.groups",
            f"{dim} dimensions cannot be divided into {groups} groups of equal width",
            f"use {nearest_divisor(dim, groups)}, or another divisor of {dim}",
        )


def rank_problems(
    order: int, what: str, sizes: Sizes, instead: str, *, centred: bool = True
) -> Iterator[Problem]:
    """A projector whose last layer is too narrow for a covariance of `order` to have an inverse.

    Args:
        order: dimensions, channels or images that are whitened together.
        what: these, as text.
        instead: what to set where the projector is to stay; `{rank}` is the highest rank.
        centred: whether the mean over images has been subtracted, and with it the bias.
    """
    rank = sizes.inner + (0 if centred else 1)
    if order <= rank:
        return
    needed = order if centred else order - 1
    wider = (
        f"set projector.hidden to {needed} or more"
        if sizes.inner_option == "projector.hidden"
        else f"set projector.layers to 2 or more, with projector.hidden at least {needed}"
    )
    yield Problem(
        sizes.inner_option,
        f"{order} {what} have rank {rank} at most and cannot be whitened: {sizes.chain}",
        f"{wider}, or {instead.format(rank=rank)}",
    )


def groups_for_batch(dim: int, batch: int) -> int:
    """The fewest groups of equal width of `dim` channels that are at most half as wide as the batch."""
    even = (groups for groups in range(1, dim + 1) if dim % groups == 0)
    return next((groups for groups in even if 2 * dim <= groups * batch), dim)
