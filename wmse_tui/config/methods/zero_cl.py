"""The options of Zero-CL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict, Field

from wmse_tui.config.methods.slices import rank_problems
from wmse_tui.config.options import Options, Sizes
from wmse_tui.config.problems import Problem


class ZeroCl(Options):
    """Zero-CL (Zhang et al. 2022): align whitened features (Zero-FCL) or whitened instances (Zero-ICL)."""

    model_config = ConfigDict(title="Zero-CL")

    name: Literal["zero_cl"] = Field("zero_cl", title="Method", description="Which loss is trained.")
    variant: Literal["feature", "instance"] = Field(
        "feature",
        title="Variant",
        description="feature: features are whitened over images (Zero-FCL); instance: images over features.",
    )
    ridge: float = Field(
        0.01,
        ge=0,
        le=100,
        title="Ridge",
        description="Added to the eigenvalues of the correlation matrix; published with 0.01.",
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        dim, batch = sizes.dim, sizes.batch
        instance = self.variant == "instance"
        rows, columns = (batch, dim) if instance else (dim, batch)
        if self.ridge == 0 and columns <= rows:
            things, over = ("images", "features") if instance else ("features", "images")
            yield Problem(
                "method.ridge",
                f"without it {rows} {things} cannot be whitened over {columns} {over}",
                "set it above 0 (0.01 as published), or use "
                + ("a larger projector.dim" if instance else "a smaller projector.dim"),
            )
        elif self.ridge == 0:
            order, what = (batch, "images of a batch") if instance else (dim, "features")
            yield from rank_problems(
                order, what, sizes, "method.ridge above 0 (0.01 as published)", centred=not instance
            )
        if dim == 1:
            yield Problem("projector.dim", "one feature correlates with nothing", "use 2 or more")
