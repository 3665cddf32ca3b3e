"""The options of VICReg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.options import Options, Sizes
from wmse_tui.config.problems import Problem


class VicRegOptions(Options):
    """What VICReg and VIbCReg share."""

    name: str
    invariance: float = Field(
        25.0, gt=0, le=1e4, title="Invariance weight", description="Of the distance between views."
    )
    variance: float = Field(
        25.0,
        ge=0,
        le=1e4,
        title="Variance weight",
        description="Of what the standard deviation of each dimension lacks of 1.",
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        if sizes.dim == 1:
            yield Problem("projector.dim", "one dimension varies with no other", "use 2 or more")


class VicReg(VicRegOptions):
    """VICReg (Bardes et al. 2022): draw views together, keep variances up and covariances down."""

    model_config = ConfigDict(title="VICReg")

    name: Literal["vicreg"] = Field("vicreg", title="Method", description="Which loss is trained.")
    covariance: float = Field(
        1.0,
        ge=0,
        le=1e4,
        title="Covariance weight",
        description="Of the covariances between dimensions.",
    )
