"""The options of CW-RGP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.methods.slices import MORE_GROUPS, group_problems, rank_problems, slice_problems
from wmse_tui.config.options import Options, Sizes, unit
from wmse_tui.config.problems import Problem


class CwRgp(Options):
    """Channel whitening with random group partition (Weng et al. 2022): whiten images over channels."""

    model_config = ConfigDict(title="CW-RGP")

    name: Literal["cw_rgp"] = Field("cw_rgp", title="Method", description="Which loss is trained.")
    whitening_size: int = Field(
        64,
        gt=1,
        le=65536,
        title="Whitening size",
        description="Images that are whitened together; fewer than a group has channels.",
        json_schema_extra=unit("images"),
    )
    groups: int = Field(
        4,
        ge=1,
        le=16384,
        title="Groups",
        description="Number of groups of channels of an embedding, each whitened by itself.",
        json_schema_extra=unit("groups"),
    )
    partition: Literal["random", "fixed"] = Field(
        "random",
        title="Partition",
        description="random: drawn anew for every view and slice, as published; fixed: runs of channels.",
    )
    axis: Literal["channel", "batch"] = Field(
        "channel",
        title="Axis",
        description="channel: images are whitened over channels; batch: channels over images (BW-RGP).",
    )
    iterations: int = Field(
        1,
        ge=1,
        le=64,
        title="Slicings per step",
        description="How often the batch is shuffled into slices; the loss is their mean.",
    )
    eps: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Shrinkage",
        description="Weight of the identity: (1 - eps) * covariance + eps * identity. Published with 0.",
    )
    normalize: bool = Field(
        True,
        title="Normalise",
        description="Compare whitened embeddings by cosine (true) or by Euclidean distance (false).",
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        dim, size = sizes.dim, self.whitening_size
        uneven = list(group_problems(self.groups, dim))
        yield from uneven
        if not uneven:
            yield from self._too_narrow(dim // self.groups, size)
            if self.eps == 0:
                yield from self._rank_problems(sizes)
        if self.partition == "fixed" and self.groups == 1:
            yield Problem(
                "method.partition",
                "there is one group (method.groups), and nothing to partition",
                "remove it",
            )
        yield from slice_problems(size, sizes.batch)

    def _rank_problems(self, sizes: Sizes) -> Iterator[Problem]:
        if self.axis == "channel":
            fewer = "method.whitening_size to {rank} or less"
            yield from rank_problems(self.whitening_size, "images of a slice", sizes, fewer, centred=False)
        else:
            yield from rank_problems(sizes.dim // self.groups, "channels of a group", sizes, MORE_GROUPS)

    def _too_narrow(self, width: int, size: int) -> Iterator[Problem]:
        groups = "1 group" if self.groups == 1 else f"{self.groups} groups"
        if self.axis == "channel" and width <= size:
            yield Problem(
                "method.groups",
                f"{groups} of {width} channels cannot whiten {size} images (method.whitening_size)",
                f"set projector.dim above {size * self.groups} ({2 * size * self.groups}, say), or use "
                f"fewer groups, or fewer than {width} images",
            )
        if self.axis == "batch" and size <= width:
            yield Problem(
                "method.whitening_size",
                f"{size} images cannot whiten {groups} of {width} channels",
                f"use more than {width} images, or more groups",
            )
