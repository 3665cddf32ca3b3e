"""The projector section: the head whose output, the embedding, the loss sees."""

from __future__ import annotations

from pydantic import Field

from wmse_tui.config.options import Options, unit


class Projector(Options):
    """The head between encoder and loss; it is not evaluated."""

    layers: int = Field(2, ge=1, le=8, title="Layers", description="Linear layers; 1 is a single linear map.")
    hidden: int = Field(
        1024,
        ge=1,
        le=65536,
        title="Hidden width",
        description="Width of the layers before the last.",
        json_schema_extra=unit("channels"),
    )
    dim: int = Field(
        64,
        ge=1,
        le=16384,
        title="Embedding size",
        description="Dimensions of the embedding.",
        json_schema_extra=unit("dimensions"),
    )
    batch_norm: bool = Field(
        True,
        title="BatchNorm",
        description="BatchNorm after each hidden layer; the output never has one.",
    )
