"""The options of BYOL."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.options import Options, unit


class Byol(Options):
    """Bootstrap Your Own Latent (Grill et al. 2020): predict the embedding of a slow target network."""

    model_config = ConfigDict(title="BYOL")

    name: Literal["byol"] = Field("byol", title="Method", description="Which loss is trained.")
    predictor_hidden: int = Field(
        1024,
        ge=1,
        le=65536,
        title="Predictor width",
        description="Width of the predictor's hidden layer.",
        json_schema_extra=unit("channels"),
    )
    momentum: float = Field(
        0.99,
        ge=0,
        le=1,
        title="Target momentum",
        description="Weight of the old target in its moving average; rises to 1 along a cosine.",
    )
