"""The options of Shuffled-DBN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.methods.slices import MORE_GROUPS, group_problems, groups_for_batch, rank_problems
from wmse_tui.config.options import Options, Sizes, unit
from wmse_tui.config.problems import Problem


class ShuffledDbn(Options):
    """Shuffled decorrelated batch normalisation (Hua et al. 2021): whiten shuffled groups of channels."""

    model_config = ConfigDict(title="Shuffled-DBN")

    name: Literal["shuffled_dbn"] = Field(
        "shuffled_dbn", title="Method", description="Which loss is trained."
    )
    groups: int | None = Field(
        None,
        ge=1,
        le=16384,
        title="Groups",
        description="Number of groups of channels, each whitened over the batch; empty: the "
        "fewest that leave a group at most half as wide as the batch.",
        json_schema_extra=unit("groups"),
    )
    partition: Literal["random", "fixed"] = Field(
        "random",
        title="Partition",
        description="random: channels are shuffled anew for every view, as published; fixed: never.",
    )
    eps: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Shrinkage",
        description="Weight of the identity: (1 - eps) * covariance + eps * identity. Published with 0.",
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        dim, batch = sizes.dim, sizes.batch
        width = dim // (groups_for_batch(dim, batch) if self.groups is None else self.groups)
        if self.eps == 0:
            yield from rank_problems(width, "channels of a group", sizes, MORE_GROUPS)
        if self.groups is None:
            return
        uneven = list(group_problems(self.groups, dim))
        yield from uneven
        if not uneven and batch <= width:
            yield Problem(
                "method.groups",
                f"a batch of {batch} images cannot whiten groups of {width} channels",
                f"use {-(-2 * dim // batch)} groups or more, or a larger schedule.batch_size",
            )
        if self.partition == "fixed" and self.groups == 1:
            yield Problem(
                "method.partition", "there is one group (method.groups), and nothing to shuffle", "remove it"
            )
