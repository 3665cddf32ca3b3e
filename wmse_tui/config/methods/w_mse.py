"""The options of W-MSE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from wmse_tui.config.options import Options, unit
from wmse_tui.config.problems import Problem

if TYPE_CHECKING:
    from wmse_tui.config.schema import Experiment


class WMse(Options):
    """Whitening MSE (Ermolov et al. 2021): whiten each slice of the batch, then compare the views."""

    name: Literal["w_mse"] = Field("w_mse", title="Method", description="Which loss is trained.")
    whitening_size: int = Field(
        128,
        gt=1,
        le=65536,
        title="Whitening size",
        description="Images whose embeddings are whitened together; in the paper twice the embedding size.",
        json_schema_extra=unit("images"),
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
        description="Weight of the identity: (1 - eps) * covariance + eps * identity. The paper takes 0.",
    )
    normalize: bool = Field(
        True,
        title="Normalise",
        description="Compare whitened embeddings by cosine (true) or by Euclidean distance (false).",
    )

    def problems(self, experiment: Experiment) -> Iterator[Problem]:
        dim, batch = experiment.projector.dim, experiment.schedule.batch_size
        if self.whitening_size <= dim:
            yield Problem(
                "method.whitening_size",
                f"{self.whitening_size} images cannot whiten {dim} dimensions",
                f"take more than {dim}; the paper takes {2 * dim}",
            )
        if self.whitening_size > batch:
            yield Problem(
                "schedule.batch_size",
                f"a batch of {batch} images holds no slice of {self.whitening_size} (method.whitening_size)",
                f"take a multiple of {self.whitening_size}",
            )
        elif batch % self.whitening_size:
            below = batch - batch % self.whitening_size
            yield Problem(
                "schedule.batch_size",
                f"{batch} images cannot be cut into slices of {self.whitening_size} (method.whitening_size)",
                f"take {below} or {below + self.whitening_size}",
            )
