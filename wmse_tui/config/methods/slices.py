"""Rules on sizes for the methods that whiten slices of a batch or groups of channels."""

from __future__ import annotations

from collections.abc import Iterator

from wmse_tui.config.options import nearest_divisor
from wmse_tui.config.problems import Problem


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
