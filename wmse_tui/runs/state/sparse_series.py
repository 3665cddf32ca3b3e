"""A value at some steps, one per report: the learning rate, the speed, the clock.

A sparse series is immutable and stored like a `Series`: full chunks, which successive versions share, and a
short tail.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

_CHUNK = 16 * 512  # bytes: 512 knots
_KNOT = 16  # step and value, two doubles


@dataclass(frozen=True, slots=True)
class SparseSeries:
    """Knots (step, value), their steps never falling."""

    EMPTY: ClassVar[SparseSeries]

    chunks: tuple[bytes, ...] = ()
    tail: bytes = b""

    def __len__(self) -> int:
        return (len(self.chunks) * _CHUNK + len(self.tail)) // _KNOT

    @property
    def last_step(self) -> float:
        """The step of the newest knot; 0 where there is none."""
        return _last_step(self.tail or self.chunks[-1]) if self else 0.0

    @property
    def last(self) -> float | None:
        """The newest value."""
        if not self:
            return None
        return memoryview(self.tail or self.chunks[-1]).cast("d")[-1]

    def extended(self, first: int, knots: Sequence[float]) -> SparseSeries:
        """With `knots` (step, value, step, value, ...) in place of those at step `first` or later."""
        base = self.truncated(first - 1)
        content = base.tail + array("d", knots).tobytes()
        whole = len(content) // _CHUNK * _CHUNK
        added = tuple(content[start : start + _CHUNK] for start in range(0, whole, _CHUNK))
        return SparseSeries(base.chunks + added, content[whole:])

    def truncated(self, after_step: float) -> SparseSeries:
        """Without the knots beyond `after_step`; equal to a series that never had them."""
        if self.last_step <= after_step:
            return self
        number = bisect_right(self.chunks, after_step, key=_first_step)
        if self.tail and _first_step(self.tail) <= after_step:
            number += 1
        if number == 0:
            return SparseSeries.EMPTY
        content = self._part(number - 1)
        length = bisect_right(memoryview(content).cast("d")[::2], after_step) * _KNOT
        if length == _CHUNK:
            return SparseSeries(self.chunks[:number])
        return SparseSeries(self.chunks[: number - 1], content[:length])

    def at(self, step: float) -> float | None:
        """The value at `step`, on a straight line between its neighbours and level beyond the ends."""
        number = bisect_left(self.chunks, step, key=_last_step)
        content = self._part(number)
        if not content:
            return self.last
        knots = memoryview(content).cast("d")
        index = bisect_left(knots[::2], step)
        if index == len(knots) // 2:
            return self.last
        after, later = knots[2 * index], knots[2 * index + 1]
        if after == step or (index == 0 and number == 0):
            return later
        before = (
            knots[2 * index - 2 : 2 * index] if index else memoryview(self._part(number - 1)).cast("d")[-2:]
        )
        share = (step - before[0]) / (after - before[0])
        return before[1] + share * (later - before[1])

    def first_at(self, value: float) -> int:
        """The first whole step at which a series that never falls has reached `value`."""
        return bisect_left(range(int(self.last_step)), value, key=lambda step: self.at(step) or 0.0)

    def knots(self, first: float = 0.0) -> tuple[memoryview[float], memoryview[float]]:
        """Steps and values of the knots from step `first` on."""
        number = bisect_left(self.chunks, first, key=_last_step)
        found = memoryview(b"".join((*self.chunks[number:], self.tail))).cast("d")
        begin = 2 * bisect_left(found[::2], first)
        return found[begin::2], found[begin + 1 :: 2]

    def picked(self, count: int, first: float = 0.0) -> tuple[tuple[float, float], ...]:
        """At most `count` of the knots from step `first` on, evenly picked, the last among them."""
        steps, values = self.knots(first)
        stride = max(1, -(-len(steps) // max(1, count)))
        return tuple((steps[i], values[i]) for i in range((len(steps) - 1) % stride, len(steps), stride))

    def parts(self) -> Iterator[bytes]:
        """The series as bytes, in the order in which `restored` reads them."""
        yield from self.chunks
        yield self.tail

    @classmethod
    def restored(cls, content: memoryview) -> SparseSeries:
        """The series that `parts` wrote.

        Raises:
            ValueError: the bytes are not those of a series.
        """
        if len(content) % _KNOT:
            raise ValueError(f"{len(content)} bytes are no knots")
        knots = content.cast("d").tolist()
        steps = knots[::2]
        finite = math.isfinite(sum(knots)) or all(map(math.isfinite, knots))  # a finite sum has finite parts
        if not finite or steps != sorted(steps):
            raise ValueError("the steps of a series fall, or a number is not finite")
        whole = len(content) // _CHUNK * _CHUNK
        chunks = tuple(bytes(content[start : start + _CHUNK]) for start in range(0, whole, _CHUNK))
        return cls(chunks, bytes(content[whole:]))

    def _part(self, number: int) -> bytes:
        return self.chunks[number] if number < len(self.chunks) else self.tail


SparseSeries.EMPTY = SparseSeries()


def _first_step(chunk: bytes) -> float:
    return memoryview(chunk).cast("d")[0]


def _last_step(chunk: bytes) -> float:
    return memoryview(chunk).cast("d")[-2]
