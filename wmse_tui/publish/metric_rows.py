"""The numbers of a run under the names that they have in every service.

| name | from |
|---|---|
| `train/loss`, `train/<part of the loss>`, `train/lr` | every step |
| `train/images_per_second` | the last step of a report |
| `train/epoch` | the last step of an epoch |
| `eval/knn_top1`, `eval/linear_top1`, `eval/linear_top5`, `eval/raw_pixels` | an evaluation; fractions |
| `diagnostics/<space>/<number>` | a diagnostics sample |
| `resources/<number>` | a report of what the trainer uses |
| `resources/rank<rank>/<number>` | of several ranks, what each uses |
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from wmse_tui.runs.log.events import Diagnostics, Epoch, Evaluation, Record, Resources, Steps

_NOT_NUMBERS = frozenset(
    {"step", "epoch", "samples", "dim", "alpha_ranks", "nulls", "spectrum", "space", "gpu", "rank"}
)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """Finite numbers by name at one training step, and when they were logged (unix seconds)."""

    step: int
    time: float
    values: Mapping[str, float]


def rows_of(record: Record) -> Iterator[MetricRow]:
    """The rows of one record of the log, by rising step; none for events without numbers."""
    event = record.event
    match event:
        case Steps():
            yield from _steps(event, record.t)
        case Epoch():
            yield from _row(event.step, record.t, {"train/epoch": event.epoch})
        case Evaluation():
            values = {
                "eval/knn_top1": event.knn_top1,
                "eval/linear_top1": event.linear_top1,
                "eval/linear_top5": event.linear_top5,
                "eval/raw_pixels": event.raw_pixels,
            }
            yield from _row(event.step, record.t, values)
        case Diagnostics():
            yield from _row(event.step, record.t, _numbers(event, f"diagnostics/{event.space}"))
        case Resources():
            values = _numbers(event, "resources")
            for load in event.ranks:
                values |= _numbers(load, f"resources/rank{load.rank}")
            yield from _row(event.step, record.t, values)
        case _:
            pass


def _steps(event: Steps, time: float) -> Iterator[MetricRow]:
    last = len(event.loss) - 1
    for place, loss in enumerate(event.loss):
        values: dict[str, float | None] = {"train/loss": loss}
        if place < len(event.lr):
            values["train/lr"] = event.lr[place]
        for name, series in event.parts:
            if place < len(series):
                values[f"train/{name}"] = series[place]
        if place == last:
            values["train/images_per_second"] = event.images_per_second
        yield from _row(event.first + place, time, values)


def _numbers(event: Any, prefix: str) -> dict[str, float | None]:
    named = ((field.name, getattr(event, field.name)) for field in fields(event))
    return {
        f"{prefix}/{name}": value
        for name, value in named
        if name not in _NOT_NUMBERS and isinstance(value, (int, float))
    }


def _row(step: int, time: float, values: Mapping[str, float | None]) -> Iterator[MetricRow]:
    known = {name: float(v) for name, v in values.items() if v is not None and math.isfinite(v)}
    if known:
        yield MetricRow(step, time, known)
