"""The base of every group of options: frozen, strict, closed to unknown keys, with rules between options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, Strict

from wmse_tui.config.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the rules of one section read of the others: the only dependencies between sections.

    Args:
        dataset: `dataset.name`.
        train_images: images that an epoch passes over; None where that depends on the user's files.
        crop: `dataset.crop`, px.
        views: `augmentation.views`.
        dim: `projector.dim`.
        inner: channels that the projector's last layer maps to `dim` dimensions.
        chain: the sizes from the features to the embedding, as text.
        inner_option: the option that sets `inner`, or the one to change instead.
        batch: `schedule.batch_size`, images.
        ranks: devices that divide it.
        evaluation_batch: `evaluation.batch_size`, images.
    """

    dataset: str
    train_images: int | None
    crop: int
    views: int
    dim: int
    inner: int
    chain: str
    inner_option: str
    batch: int
    ranks: int
    evaluation_batch: int


class Options(BaseModel):
    """A group of options.

    A bound of one option is on its field. A rule about two options is in `problems`. What is legal but unwise
    is in `advice.py`. Types are strict (`"5"` and `true` are no numbers); 1 is accepted for 1.0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def problems(self, _sizes: Sizes) -> Iterator[Problem]:
        """Combinations that cannot work, each under the path of the option to change."""
        yield from ()


def unit(name: str) -> dict[str, JsonValue]:
    """The unit of an option, for `json_schema_extra`; forms show it behind the value."""
    return {"unit": name}


Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

# YAML has lists only, and the options are tuples, so that frozen means frozen.
Pair = Annotated[tuple[Positive, Positive], Strict(False)]
PositiveTriple = Annotated[tuple[Positive, Positive, Positive], Strict(False)]
ShareTriple = Annotated[tuple[Share, Share, Share], Strict(False)]


def nearest_divisor(of: int, near: int) -> int:
    """The divisor of `of` that is nearest to `near`, the smaller one of two."""
    divisors = (divisor for divisor in range(1, of + 1) if of % divisor == 0)
    return min(divisors, key=lambda divisor: (abs(divisor - near), divisor))


def rising(path: str, pair: tuple[float, float]) -> Iterator[Problem]:
    """A problem if the ends of a (smallest, largest) pair are swapped."""
    if pair[0] > pair[1]:
        yield Problem(
            path, f"from {pair[0]:g} to {pair[1]:g} runs backwards", f"write [{pair[1]:g}, {pair[0]:g}]"
        )
