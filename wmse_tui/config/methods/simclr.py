"""The options of SimCLR."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.options import Options


class SimClr(Options):
    """Contrastive learning with NT-Xent (Chen et al. 2020), in the form of the W-MSE paper's baseline."""

    model_config = ConfigDict(title="SimCLR")

    name: Literal["simclr"] = Field("simclr", title="Method", description="Which loss is trained.")
    temperature: float = Field(
        0.5,
        gt=0,
        le=100,
        title="Temperature",
        description="Divides the cosine similarities; smaller makes the nearest negatives count more.",
    )
    output_batch_norm: bool = Field(
        True,
        title="Head BatchNorm",
        description="Normalise the embeddings over the batch, as the W-MSE paper's baseline does.",
    )
