"""A value at each step, stored so that a million steps are cheap to extend, to truncate and to draw.

A series is immutable. It is a tuple of full chunks, which successive versions share, and a short tail. Each
chunk carries summaries at three grains, so any span can be shown in a few hundred buckets (count, minimum,
maximum, mean, last) without visiting every value. All values are stored, as doubles: a cut is exact at any
step, and a step costs 12 bytes with its share of the summaries.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

CHUNK_LEVEL = 12  # a chunk holds 2**12 steps,
MIDDLE_LEVEL = 9  # with a summary of each 2**6 of them, of each 2**9, and one of all
GRAIN_LEVEL = 6
LONGEST_GAP = 1 << 22  # steps that may be missing before an append; a larger gap is damage

_CHUNK = 1 << CHUNK_LEVEL
_GRAIN = 1 << GRAIN_LEVEL
_DOUBLE = 8  # bytes
_SUMMARY = 5  # doubles of a packed bucket: count, minimum, maximum, total, last
_GRAINS, _MIDDLES = _CHUNK >> GRAIN_LEVEL, _CHUNK >> MIDDLE_LEVEL
_SUMMARIES = (_GRAINS + _MIDDLES + 1) * _SUMMARY * _DOUBLE  # bytes of those of a chunk


@dataclass(frozen=True, slots=True)
class Bucket:
    """The steps from `first` to before `end`: what their finite values (at least one) were."""

    first: int
    end: int
    count: int
    minimum: float
    maximum: float
    total: float
    last: float

    @property
    def mean(self) -> float:
        mean = self.total / self.count
        return mean if math.isfinite(mean) else self.minimum / 2 + self.maximum / 2


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Values, and their buckets: packed, so that a million steps are a few hundred objects."""

    values: bytes
    summaries: bytes  # the grains, then the middle ones, then the whole; zeros where no value is finite

    def grains(self, first: int = 1) -> Iterator[Bucket]:
        """The finest buckets that have a finite value; `first` is the first step of the chunk."""
        return self._buckets(0, _GRAINS, first)

    def middle(self, first: int = 1) -> Iterator[Bucket]:
        return self._buckets(_GRAINS, _MIDDLES, first)

    def whole(self, first: int = 1) -> Iterator[Bucket]:
        """One bucket, or none."""
        return self._buckets(_GRAINS + _MIDDLES, 1, first)

    def _buckets(self, begin: int, number: int, first: int) -> Iterator[Bucket]:
        packed = memoryview(self.summaries).cast("d")[begin * _SUMMARY : (begin + number) * _SUMMARY]
        size = _CHUNK // number
        for index in range(number):
            count, *summary = packed[index * _SUMMARY : (index + 1) * _SUMMARY].tolist()
            if count:
                start = first + index * size
                yield Bucket(start, start + size, int(count), *summary)


@dataclass(frozen=True, slots=True)
class Series:
    """Values of the steps 1 to `last_step`; those that are missing or not finite count nowhere."""

    EMPTY: ClassVar[Series]

    chunks: tuple[_Chunk, ...] = ()
    tail: bytes = b""

    @property
    def last_step(self) -> int:
        """The newest step that was appended, whatever its value; 0 where there is none."""
        return len(self.chunks) * _CHUNK + len(self.tail) // _DOUBLE

    @property
    def last(self) -> float | None:
        """The newest finite value."""
        for value in reversed(memoryview(self.tail).cast("d")):
            if not math.isnan(value):
                return value
        return next((bucket.last for chunk in reversed(self.chunks) for bucket in chunk.whole()), None)

    def can_continue(self, first: int) -> bool:
        """Whether values may follow from step `first` on: at most LONGEST_GAP steps would be missing."""
        return first >= 1 and first - self.last_step <= LONGEST_GAP

    def extended(self, first: int, values: Sequence[float | None]) -> Series:
        """With `values` of the steps `first`, `first` + 1, ...; existing values there and later are replaced.

        Raises:
            ValueError: `first` is below 1, or more than LONGEST_GAP steps would be missing.
        """
        if not self.can_continue(first):
            raise ValueError(f"step {first} does not follow step {self.last_step}")
        if not values:
            return self
        base = self.truncated(first - 1)
        added = array("d", [math.nan]) * (first - base.last_step - 1)
        added.extend(_doubles(values))
        content = base.tail + added.tobytes()
        chunks = base.chunks
        size = _CHUNK * _DOUBLE
        if len(content) >= size:
            whole = len(content) // size
            chunks += tuple(
                _chunk(content[i * size : (i + 1) * size], (len(chunks) + i) * _CHUNK + 1)
                for i in range(whole)
            )
            content = content[whole * size :]
        return Series(chunks, content)

    def truncated(self, after_step: int) -> Series:
        """Without the steps beyond `after_step`; equal to a series that never had them."""
        if after_step >= self.last_step:
            return self
        whole, rest = divmod(max(0, after_step), _CHUNK)
        content = self.chunks[whole].values if whole < len(self.chunks) else self.tail
        return Series(self.chunks[:whole], content[: rest * _DOUBLE])

    def values(self, first: int = 1, last: int | None = None) -> tuple[float | None, ...]:
        """The values of the steps `first` to `last`, None where there is none."""
        end = self.last_step if last is None else min(last, self.last_step)
        found = (value for _, part in self._raw(max(1, first), end) for value in part)
        return tuple(None if math.isnan(value) else value for value in found)

    def buckets(self, level: int, first: int = 1, last: int | None = None) -> tuple[Bucket, ...]:
        """The buckets of 2**`level` steps that touch the steps `first` to `last`.

        Borders are at multiples of 2**`level`, whatever is asked. Buckets without a value are left out.
        """
        begin = (max(1, first) - 1) >> level
        end = (self.last_step if last is None else min(last, self.last_step)) - 1 >> level
        return tuple(_merged(self._units(level, (begin << level) + 1, (end + 1) << level), level))

    def overview(self, columns: int, first: int = 1, last: int | None = None) -> tuple[Bucket, ...]:
        """The finest buckets of which at most `columns` touch the steps `first` to `last`."""
        return self.buckets(self.level_for(columns, first, last), first, last)

    def level_for(self, columns: int, first: int = 1, last: int | None = None) -> int:
        """The finest level of which at most `columns` (2 or more) buckets touch `first` to `last`."""
        begin = max(1, first) - 1
        end = (self.last_step if last is None else min(last, self.last_step)) - 1
        level = 0
        while (end >> level) - (begin >> level) + 1 > max(2, columns):
            level += 1
        return level

    def to_dict(self, columns: int = 256) -> dict[str, Any]:
        """The series in at most `columns` buckets, as plain values for JSON."""
        return {
            "last_step": self.last_step,
            "bucket_steps": 1 << self.level_for(columns),
            "buckets": [
                {
                    "first": bucket.first,
                    "count": bucket.count,
                    "min": bucket.minimum,
                    "mean": float(f"{bucket.mean:.6g}"),
                    "max": bucket.maximum,
                    "last": bucket.last,
                }
                for bucket in self.overview(columns)
            ],
        }

    def parts(self) -> Iterator[bytes]:
        """The series as bytes, in the order in which `restored` reads them."""
        yield from (chunk.values for chunk in self.chunks)
        yield from (chunk.summaries for chunk in self.chunks)
        yield self.tail

    @classmethod
    def restored(cls, content: memoryview, last_step: int) -> Series:
        """The series that `parts` wrote, the steps 1 to `last_step`.

        Raises:
            ValueError: the bytes are not those of a series.
        """
        number, left = divmod(last_step, _CHUNK)
        size, summaries = _CHUNK * _DOUBLE, number * _CHUNK * _DOUBLE
        end = summaries + number * _SUMMARIES
        if len(content) != end + left * _DOUBLE:
            raise ValueError(f"{len(content)} bytes are no series of {last_step} steps")
        doubles = content.cast("d")
        _require_values(doubles[: summaries // _DOUBLE], doubles[end // _DOUBLE :])
        _require_summaries(doubles[summaries // _DOUBLE : end // _DOUBLE])
        chunks = tuple(
            _Chunk(
                bytes(content[i * size : (i + 1) * size]),
                bytes(content[summaries + i * _SUMMARIES : summaries + (i + 1) * _SUMMARIES]),
            )
            for i in range(number)
        )
        return cls(chunks, bytes(content[end:]))

    def _units(self, level: int, first: int, last: int) -> Iterator[Bucket]:
        """Summaries of the steps `first` to `last`, as coarse as `level` allows, in order."""
        if level < GRAIN_LEVEL:
            for start, part in self._raw(first, min(last, self.last_step)):
                yield from _summaries(part, start, 1 << level)
            return
        end = min(len(self.chunks), (last + _CHUNK - 1) >> CHUNK_LEVEL)
        for number in range((first - 1) >> CHUNK_LEVEL, end):
            chunk, start = self.chunks[number], number * _CHUNK + 1
            if level >= CHUNK_LEVEL:
                yield from chunk.whole(start)
            else:
                units = chunk.middle(start) if level >= MIDDLE_LEVEL else chunk.grains(start)
                yield from (unit for unit in units if first <= unit.first <= last)
        if last > len(self.chunks) * _CHUNK:
            yield from (grain for grain in self._summaries_of_tail() if first <= grain.first <= last)

    def _raw(self, first: int, last: int) -> Iterator[tuple[int, memoryview[float]]]:
        """The stored values of the steps `first` to `last`, chunk by chunk, each with its first step."""
        for number in range((first - 1) >> CHUNK_LEVEL, (last + _CHUNK - 1) >> CHUNK_LEVEL):
            content = self.chunks[number].values if number < len(self.chunks) else self.tail
            start = number * _CHUNK
            begin = max(0, first - 1 - start)
            yield start + begin + 1, memoryview(content).cast("d")[begin : last - start]

    def _summaries_of_tail(self) -> list[Bucket]:
        return list(_summaries(memoryview(self.tail).cast("d"), len(self.chunks) * _CHUNK + 1, _GRAIN))


Series.EMPTY = Series()


def _require_values(*parts: memoryview[float]) -> None:
    """Raise ValueError where a value is infinite."""
    for part in parts:
        for start in range(0, len(part), _CHUNK):
            values = part[start : start + _CHUNK].tolist()
            if not math.isfinite(sum(values)) and any(map(math.isinf, values)):
                raise ValueError("a value of a series is infinite")


def _require_summaries(packed: memoryview[float]) -> None:
    """Raise ValueError where numbers of buckets are no such numbers."""
    counts, lowest, highest, _, last = (packed[column::_SUMMARY].tolist() for column in range(_SUMMARY))
    if not all(map(math.isfinite, (*lowest, *highest, *last))):  # the sum of many may be infinite
        raise ValueError("a bucket of a series is not finite")
    if not all(0 <= count <= _CHUNK and count % 1 == 0 for count in counts):
        raise ValueError("a bucket of a series has no number of values")


def _doubles(values: Sequence[float | None]) -> array[float]:
    """With NaN for what is missing or not finite; nearly always there is none."""
    if None not in values:
        found: array[float] = array("d", values)  # type: ignore[arg-type]  # none of them is None
        if math.isfinite(sum(found)):
            return found
    return array("d", [math.nan if v is None or not math.isfinite(v) else v for v in values])


def _chunk(content: bytes, first: int) -> _Chunk:
    grains = tuple(_summaries(memoryview(content).cast("d"), first, _GRAIN))
    middle = tuple(_merged(grains, MIDDLE_LEVEL))
    packed = array("d", bytes(_SUMMARIES))
    begin = 0
    for level, units in (
        (GRAIN_LEVEL, grains),
        (MIDDLE_LEVEL, middle),
        (CHUNK_LEVEL, tuple(_merged(middle, CHUNK_LEVEL))),
    ):
        for unit in units:
            index = (begin + ((unit.first - first) >> level)) * _SUMMARY
            summary = (unit.count, unit.minimum, unit.maximum, unit.total, unit.last)
            packed[index : index + _SUMMARY] = array("d", summary)
        begin += _CHUNK >> level
    return _Chunk(content, packed.tobytes())


def _summaries(values: memoryview[float], first: int, size: int) -> Iterator[Bucket]:
    """Buckets of `size` consecutive `values`, the first of which belongs to the step `first`."""
    for start in range(0, len(values), size):
        part = values[start : start + size].tolist()
        total = sum(part)
        if not math.isfinite(total):
            part = [value for value in part if not math.isnan(value)]
            total = sum(part)
        if part:
            step = first + start
            yield Bucket(step, step + size, len(part), min(part), max(part), total, part[-1])


def _merged(units: Iterable[Bucket], level: int) -> Iterator[Bucket]:
    """One bucket of 2**`level` steps for all of the `units` (in order, none larger) within it."""
    group: list[Bucket] = []
    for unit in units:
        if group and (unit.first - 1) >> level != (group[0].first - 1) >> level:
            yield _joined(group, level)
            group = []
        group.append(unit)
    if group:
        yield _joined(group, level)


def _joined(group: Sequence[Bucket], level: int) -> Bucket:
    number = (group[0].first - 1) >> level
    return Bucket(
        first=(number << level) + 1,
        end=((number + 1) << level) + 1,
        count=sum(unit.count for unit in group),
        minimum=min(unit.minimum for unit in group),
        maximum=max(unit.maximum for unit in group),
        total=sum(unit.total for unit in group),
        last=group[-1].last,
    )
