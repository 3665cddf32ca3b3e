"""The schedule section: how long, in which batches, and how the learning rate moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, Strict

from wmse_tui.config.options import Options, Sizes, unit
from wmse_tui.config.problems import Problem

_KIND = "Schedule"
_KIND_HELP = "How the learning rate falls after the warm-up."

Milestones = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Strict(False)]


class _Course(Options):
    """Options of every schedule."""

    kind: str
    epochs: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        title="Epochs",
        description="Passes over the training images.",
        json_schema_extra=unit("epochs"),
    )
    batch_size: int = Field(
        512,
        ge=2,
        le=65536,
        title="Batch size",
        description="Images per step; each brings all its views. A last incomplete batch is left out.",
        json_schema_extra=unit("images"),
    )
    warmup_steps: int = Field(
        500,
        ge=0,
        le=10_000_000,
        title="Warm-up",
        description="Steps over which the learning rate rises from 0 along a line.",
        json_schema_extra=unit("steps"),
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        images = sizes.train_images
        if images is not None and self.batch_size > images:
            yield Problem(
                "schedule.batch_size",
                f"{images} training images do not fill one batch of {self.batch_size}",
                f"use at most {images}",
            )


class StepSchedule(_Course):
    """Multiply the learning rate by `gamma` at each milestone, as in the paper."""

    kind: Literal["step"] = Field("step", title=_KIND, description=_KIND_HELP)
    milestones: Milestones = Field(
        (50, 25),
        max_length=100,
        title="Milestones",
        description="Epochs before the end at which the learning rate drops.",
        json_schema_extra=unit("epochs"),
    )
    gamma: float = Field(
        0.2, gt=0, le=1, title="Drop", description="What the learning rate is multiplied by at a milestone."
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        yield from super().problems(sizes)
        beyond = [milestone for milestone in self.milestones if milestone >= self.epochs]
        if beyond:
            fitting = scaled_milestones(self.epochs)
            yield Problem(
                "schedule.milestones",
                f"a drop {beyond[0]} epochs before the end does not fit in schedule.epochs={self.epochs}",
                f"set schedule.milestones={fitting}" + (", or [] for no drop" if fitting else " for no drop"),
                values=(("schedule.milestones", str(fitting)),),
            )
        if len(set(self.milestones)) < len(self.milestones):
            yield Problem("schedule.milestones", "the same milestone is listed twice", "list each one once")


class CosineSchedule(_Course):
    """Let the learning rate fall along half a cosine."""

    kind: Literal["cosine"] = Field("cosine", title=_KIND, description=_KIND_HELP)
    final_factor: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Final share",
        description="Share of the learning rate that is left at the end.",
    )


class ConstantSchedule(_Course):
    """Constant learning rate after the warm-up."""

    kind: Literal["constant"] = Field("constant", title=_KIND, description=_KIND_HELP)


Schedule = Annotated[StepSchedule | CosineSchedule | ConstantSchedule, Field(discriminator="kind")]


def scaled_milestones(epochs: int) -> list[int]:
    """Milestones for a run of `epochs` where the paper's 1000 have 50 and 25 (5 % and 2.5 % from the end)."""
    later = round(epochs * 0.025)
    return sorted({step for step in (max(1, round(epochs * 0.05)), later) if 0 < step < epochs}, reverse=True)
