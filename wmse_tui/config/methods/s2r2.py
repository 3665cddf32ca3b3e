"""The options of the ranking loss in the style of S2R2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.options import Options, Sizes, unit
from wmse_tui.config.problems import Problem

DEFAULT_BINS = 25
DEFAULT_TEMPERATURE = 0.01


class S2r2(Options):
    """Ranking by average precision, S2R2-style (after Varamesh et al. 2020); the relaxation is ours."""

    model_config = ConfigDict(title="S2R2-style")

    name: Literal["s2r2"] = Field("s2r2", title="Method", description="Which loss is trained.")
    relaxation: Literal["quantised", "smooth"] = Field(
        "quantised",
        title="Relaxation",
        description="What makes average precision differentiable. quantised: similarities fall into soft "
        "bins; smooth: a sigmoid counts how many images rank higher.",
    )
    bins: int = Field(
        DEFAULT_BINS,
        ge=2,
        le=1000,
        title="Bins",
        description="Of the quantised relaxation, over cosines from -1 to 1.",
        json_schema_extra=unit("bins"),
    )
    rank_temperature: float = Field(
        DEFAULT_TEMPERATURE,
        gt=0,
        le=10,
        title="Temperature",
        description="Of the smooth relaxation: a smaller one counts ranks more exactly, with less gradient.",
    )

    def problems(self, _sizes: Sizes) -> Iterator[Problem]:
        if self.relaxation == "smooth" and self.bins != DEFAULT_BINS:
            yield Problem(
                "method.bins",
                "the relaxation is smooth, and only the quantised one has bins",
                "set method.relaxation=quantised, or remove it",
            )
        if self.relaxation == "quantised" and self.rank_temperature != DEFAULT_TEMPERATURE:
            yield Problem(
                "method.rank_temperature",
                "the relaxation is quantised, and only the smooth one has a temperature",
                "set method.relaxation=smooth, or remove it",
            )
