"""The options of W-MSE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.methods.slices import rank_problems, slice_problems
from wmse_tui.config.options import Options, Sizes, unit
from wmse_tui.config.problems import Problem

DEFAULT_STEPS = 5


class WMse(Options):
    """Whitening MSE (Ermolov et al. 2021): whiten each slice of the batch, then compare the views."""

    model_config = ConfigDict(title="W-MSE")

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
    operator: Literal["cholesky", "zca", "pca", "iterative", "standardise", "none"] = Field(
        "cholesky",
        title="Operator",
        description="How a slice is whitened. cholesky: the paper's; zca: symmetric; pca: onto principal "
        "axes; iterative: zca by Newton steps; standardise: variances only; none: not at all.",
    )
    steps: int = Field(
        DEFAULT_STEPS,
        ge=1,
        le=50,
        title="Newton steps",
        description="Of the iterative operator; more of them whiten directions of smaller variance too.",
        json_schema_extra=unit("steps"),
    )
    eps: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Shrinkage",
        description="Weight of the identity: (1 - eps) * covariance + eps * identity. The paper uses 0.",
    )
    relative_eps: bool = Field(
        False,
        title="Relative shrinkage",
        description="Scale the identity by the mean variance, so that small embeddings are shrunk no more.",
    )
    normalize: bool = Field(
        True,
        title="Normalise",
        description="Compare whitened embeddings by cosine (true) or by Euclidean distance (false).",
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        dim, batch = sizes.dim, sizes.batch
        yield from self._without_effect()
        if self.whitening_size <= dim and self.operator in ("cholesky", "zca", "pca"):
            yield Problem(
                "method.whitening_size",
                f"{self.whitening_size} images cannot whiten {dim} dimensions",
                f"use more than {dim}; the paper uses {2 * dim}",
            )
        if self.operator in ("cholesky", "zca", "pca") and self.eps == 0:
            yield from rank_problems(dim, "dimensions", sizes, "projector.dim to {rank} or less")
        yield from slice_problems(self.whitening_size, batch)

    def _without_effect(self) -> Iterator[Problem]:
        """Options that the operator, or shrinkage by 0, does not use."""
        if self.operator != "iterative" and self.steps != DEFAULT_STEPS:
            yield Problem(
                "method.steps",
                f"the operator is {self.operator}, and only the iterative one has steps",
                "set method.operator=iterative, or remove it",
            )
        if self.operator == "none" and self.eps > 0:
            yield Problem("method.eps", "the operator is none: there is no covariance to shrink", "remove it")
        if self.operator == "none" and self.iterations > 1:
            yield Problem(
                "method.iterations",
                "the operator is none: slices change nothing, however often they are drawn",
                "set it to 1",
                values=(("method.iterations", "1"),),
            )
        if self.relative_eps and self.eps == 0:
            yield Problem(
                "method.relative_eps",
                "the shrinkage (method.eps) is 0, which is the same on every scale",
                "set method.eps above 0, or remove it",
            )
