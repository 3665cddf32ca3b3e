"""The options of VIbCReg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.methods.slices import group_problems
from wmse_tui.config.methods.vicreg import VicRegOptions
from wmse_tui.config.options import Sizes, unit
from wmse_tui.config.problems import Problem


class VibcReg(VicRegOptions):
    """VIbCReg (Lee and Aune 2021): VICReg of whitened embeddings, with correlations for covariances."""

    model_config = ConfigDict(title="VIbCReg")

    name: Literal["vibcreg"] = Field("vibcreg", title="Method", description="Which loss is trained.")
    correlation: float = Field(
        200.0,
        ge=0,
        le=1e4,
        title="Correlation weight",
        description="Of the correlations between dimensions.",
    )
    steps: int = Field(
        5,
        ge=0,
        le=50,
        title="Newton steps",
        description="Of the whitening in front of the loss; 0: no whitening.",
        json_schema_extra=unit("steps"),
    )
    groups: int | None = Field(
        None,
        ge=1,
        le=16384,
        title="Groups",
        description="Number of groups of channels, each whitened by itself; empty: groups of "
        "32 channels, or the next fewer that divide the embedding.",
        json_schema_extra=unit("groups"),
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        yield from super().problems(sizes)
        if self.groups is None:
            return
        if self.steps == 0:
            yield Problem(
                "method.groups", "without Newton steps (method.steps) nothing is whitened", "remove it"
            )
        yield from group_problems(self.groups, sizes.dim)
