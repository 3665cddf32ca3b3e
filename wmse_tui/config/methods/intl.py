"""The options of INTL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.options import Options, Sizes, unit
from wmse_tui.config.problems import Problem


class Intl(Options):
    """Iterative normalisation with trace loss (Weng et al. 2024): whiten by few Newton steps."""

    model_config = ConfigDict(title="INTL")

    name: Literal["intl"] = Field("intl", title="Method", description="Which loss is trained.")
    steps: int = Field(
        4,
        ge=1,
        le=50,
        title="Newton steps",
        description="More of them whiten directions of smaller variance too; published with 4.",
        json_schema_extra=unit("steps"),
    )
    axis: Literal["channel", "batch"] = Field(
        "channel",
        title="Axis",
        description="channel: images are whitened over channels, as published; batch: channels over images.",
    )
    trace_weight: float | None = Field(
        None,
        ge=0,
        le=100,
        title="Trace weight",
        description="Weight of the trace loss; empty: 0.01 (log2 n - 3) of n images (channel) or dimensions.",
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        if self.axis == "channel" and sizes.dim == 1:
            yield Problem(
                "projector.dim",
                "an image of one channel is 0 once its mean is subtracted",
                "use more (ideally above schedule.batch_size), or set method.axis=batch",
            )
