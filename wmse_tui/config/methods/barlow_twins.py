"""The options of Barlow Twins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.options import Options, Sizes
from wmse_tui.config.problems import Problem


class BarlowTwins(Options):
    """Barlow Twins (Zbontar et al. 2021): correlate each dimension with itself and with no other."""

    model_config = ConfigDict(title="Barlow Twins")

    name: Literal["barlow_twins"] = Field(
        "barlow_twins", title="Method", description="Which loss is trained."
    )
    redundancy: float = Field(
        0.0051,
        ge=0,
        le=100,
        title="Redundancy weight",
        description="Weight of the correlations between different dimensions; the paper's lambda.",
    )
    scale: float = Field(
        1.0,
        gt=0,
        le=1000,
        title="Scale",
        description="Multiplies the loss; matters with weight decay and rates that are not adapted.",
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        if sizes.dim == 1:
            yield Problem("projector.dim", "one dimension has no other to differ from", "use 2 or more")
