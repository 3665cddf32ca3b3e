"""The checkpoint section: how often a run is saved and how many checkpoints are retained."""

from __future__ import annotations

from pydantic import Field

from wmse_tui.config.options import Options, unit


class CheckpointOptions(Options):
    """How often the run is saved; the best and the final checkpoint are retained besides."""

    every_minutes: float = Field(
        4.0,
        gt=0,
        le=10_080,
        title="Every",
        description="Time between two checkpoints: the most training that a crash loses.",
        json_schema_extra=unit("minutes"),
    )
    keep: int = Field(
        2,
        ge=2,
        le=1000,
        title="Keep",
        description="Latest checkpoints that are retained; at least two, in case one is damaged.",
        json_schema_extra=unit("checkpoints"),
    )
