"""Timing in rounds: two implementations alternate in one process, and the result is their ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Task = Callable[[], float]
"""Does the work once; returns its seconds."""


@dataclass(frozen=True, slots=True)
class Quartiles:
    """The median of some measurements, and the bounds of their middle half."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Quartiles:
        """Raises ValueError: there are none."""
        if not values:
            raise ValueError("nothing was measured")
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(statistics.median(values), low, high)

    def scaled(self, factor: Callable[[float], float]) -> Quartiles:
        """The same of other numbers, in rising order again."""
        low, high = sorted((factor(self.low), factor(self.high)))
        return Quartiles(factor(self.median), low, high)

    def to_json(self) -> dict[str, float]:
        """As a JSON object."""
        return {"median": self.median, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stage.

    Args:
        stage: its name.
        what: what was measured, in short.
        ours: seconds.
        work: how many units one measurement does; with `unit` (views, images) it gives a speed.
        reference: seconds of the paper's implementation for the same work.
        ratio: the reference's seconds over ours, measurement by measurement.
        against: what the reference is.
        n: measurements of each.
        note: what else a reader should know.
    """

    stage: str
    what: str
    ours: Quartiles
    n: int
    work: float = 0.0
    unit: str = ""
    reference: Quartiles | None = None
    ratio: Quartiles | None = None
    against: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "stage": self.stage,
            "what": self.what,
            "n": self.n,
            "seconds": self.ours.to_json(),
            "work": self.work,
            "unit": self.unit,
            "per_second": self._speed(self.ours),
            "reference_seconds": None if self.reference is None else self.reference.to_json(),
            "reference_per_second": None if self.reference is None else self._speed(self.reference),
            "ratio": None if self.ratio is None else self.ratio.to_json(),
            "against": self.against,
            "note": self.note,
        }

    def _speed(self, seconds: Quartiles) -> dict[str, float] | None:
        return (
            seconds.scaled(lambda spent: self.work / spent).to_json() if self.work and seconds.low else None
        )


def time_rounds(
    stage: str,
    what: str,
    ours: Task,
    reference: Task | None,
    *,
    rounds: int,
    warm_up: int = 1,
    work: float = 0.0,
    unit: str = "",
    against: str = "",
    note: str = "",
) -> Row:
    """Let the two alternate; the first `warm_up` rounds do not count."""
    spent: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds + warm_up):
        if reference is not None:
            theirs.append(reference())
        spent.append(ours())
    spent, theirs = spent[warm_up:], theirs[warm_up:]
    both = None if reference is None else Quartiles.of([b / a for a, b in zip(spent, theirs, strict=True)])
    return Row(
        stage=stage,
        what=what,
        ours=Quartiles.of(spent),
        n=rounds,
        work=work,
        unit=unit,
        reference=None if reference is None else Quartiles.of(theirs),
        ratio=both,
        against="" if reference is None else against,
        note=note,
    )


class Stopwatch:
    """Seconds of work on a device: of the wall clock, after the device has finished."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def now(self) -> float:
        """The time when everything that was begun is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def __call__(self, work: Callable[[], object]) -> float:
        began = self.now()
        work()
        return self.now() - began


def processor_seconds(work: Callable[[], object]) -> float:
    """The processor time of `work`, without that of other processes on the same cores."""
    began = time.process_time()
    work()
    return time.process_time() - began
