"""The paper section: the published number that a preset reproduces."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from wmse_tui.config.options import Options, Sizes, unit
from wmse_tui.config.problems import Problem


class Paper(Options):
    """A published result, its source, and a note."""

    linear: float | None = Field(
        None,
        ge=0,
        le=100,
        title="Linear",
        description="Published top-1 accuracy of the linear probe.",
        json_schema_extra=unit("%"),
    )
    knn: float | None = Field(
        None, ge=0, le=100, title="5-NN", description="Published 5-NN accuracy.", json_schema_extra=unit("%")
    )
    source: str = Field("", max_length=400, title="Source", description="Where the number is published.")
    note: str = Field("", max_length=400, title="Note", description="Remark shown beside the number.")

    def problems(self, _sizes: Sizes) -> Iterator[Problem]:
        if (self.linear is not None or self.knn is not None) and not self.source:
            yield Problem("paper.source", "a published number without its source", "name its source")
