"""The options of SimSiam."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.options import Options, unit


class SimSiam(Options):
    """SimSiam (Chen and He 2021): predict the other view's embedding, which counts as a constant."""

    model_config = ConfigDict(title="SimSiam")

    name: Literal["simsiam"] = Field("simsiam", title="Method", description="Which loss is trained.")
    predictor_hidden: int = Field(
        512,
        ge=1,
        le=65536,
        title="Predictor width",
        description="Width of the predictor's hidden layer; in the paper a quarter of the embedding size.",
        json_schema_extra=unit("channels"),
    )
    predictor_rate: Literal["constant", "scheduled"] = Field(
        "constant",
        title="Predictor's rate",
        description="constant: optimizer.lr from the first step to the last, as published; scheduled: as "
        "for all other weights.",
    )
    output_batch_norm: bool = Field(
        True,
        title="Head BatchNorm",
        description="Normalise the embeddings over the batch, without learned scale; as published.",
    )
