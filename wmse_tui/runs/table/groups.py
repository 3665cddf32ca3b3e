"""The runs of a list in groups: by tag, by sweep, or by the experiment that they repeat with other seeds.

Results of a group are means over its distinct completed runs: a copy of a run measures nothing again
(`copies.py`). Only runs that repeat each other differ in the seed alone; the deviation of a group by tag or
sweep is over whatever its runs differ in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from wmse_tui.config.diff import Value, differing, value_text
from wmse_tui.runs.annotations import SWEEP_TAG
from wmse_tui.runs.state.status import ACTIVE
from wmse_tui.runs.table.compare import Spread, spread
from wmse_tui.runs.table.copies import without_copies
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.options_cache import OptionsCache
from wmse_tui.runs.table.recipe import RepetitionKey
from wmse_tui.runs.table.run_columns import RunColumn

GroupBy: TypeAlias = Literal["", "seed", "sweep", "tag"]
GROUPINGS: tuple[GroupBy, ...] = get_args(GroupBy)
_NAMED = 3  # options in the title of a group


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that belong together, two at least where they repeat each other.

    Args:
        name: identifies the group in its list.
        title: for people.
        rows: its runs, in the order of the list.
    """

    name: str
    title: str
    rows: tuple[RunRow, ...]

    @property
    def completed(self) -> tuple[RunRow, ...]:
        """Its completed runs, without copies: what its results are means of."""
        return without_copies([row for row in self.rows if row.status == "completed"], lambda row: row.origin)

    @property
    def copies(self) -> int:
        """Completed runs that are copies of others of the group."""
        return sum(row.status == "completed" for row in self.rows) - len(self.completed)

    def progress(self) -> str:
        """How many of its runs have completed, as "3 of 4", and how many are being trained."""
        active = sum(row.status in ACTIVE for row in self.rows)
        ended = f"{sum(row.status == 'completed' for row in self.rows)} of {len(self.rows)}"
        return f"{ended}, {active} on" if active else ended

    def spread(self, column: RunColumn, options: OptionsCache) -> Spread | None:
        """Mean and deviation of a result; None where no completed run has it."""
        values = (column.value(row, options.of(row)) for row in self.completed)
        return spread([value for value in values if value is not None])

    def text(self, column: RunColumn, options: OptionsCache) -> str:
        """What a column shows of the group: a mean and its deviation, or the values that its runs have."""
        if column.average is not None:
            return column.average_text(self.spread(column, options))
        return ", ".join(distinct_texts(column, self.rows, options))


def distinct_texts(column: RunColumn, rows: Iterable[RunRow], options: OptionsCache) -> tuple[str, ...]:
    """The texts of a column that differ, in the order of their values; those of runs without a value last."""
    texts: dict[str, tuple[bool, object]] = {}
    for row in rows:
        value = column.value(row, options.of(row))
        texts.setdefault(column.text(row, options.of(row)), (value is None, value))
    known = [text for text, (missing, _) in texts.items() if not missing]
    known.sort(key=lambda text: texts[text][1])  # type: ignore[arg-type,return-value]
    return tuple(known)


def grouped(
    rows: Sequence[RunRow], by: GroupBy, options: OptionsCache
) -> tuple[tuple[RunGroup, ...], tuple[RunRow, ...]]:
    """The groups in the order of their first runs, and the runs that are in none.

    A run is in the group of each of its tags. By seed, a run whose options cannot be read, or that no other
    one repeats, is in none.
    """
    members: dict[Any, list[RunRow]] = {}
    for row in rows:
        for name in _names(row, by, options):
            members.setdefault(name, []).append(row)
    if by == "seed":
        groups = _repetitions([(dict(key), found) for key, found in members.items() if len(found) > 1])
    else:
        groups = [RunGroup(str(name), str(name), tuple(found)) for name, found in members.items()]
    inside = {row.path for group in groups for row in group.rows}
    return tuple(groups), tuple(row for row in rows if row.path not in inside)


def _names(row: RunRow, by: GroupBy, options: OptionsCache) -> tuple[str | RepetitionKey, ...]:
    match by:
        case "tag":
            return tuple(dict.fromkeys(row.tags))
        case "sweep":
            return tuple(tag for tag in dict.fromkeys(row.tags) if tag.startswith(SWEEP_TAG))
        case "seed":
            key = options.repetition(row)
            return () if key is None else (key,)
        case _:
            return ()


def _repetitions(found: Sequence[tuple[Mapping[str, Value], Sequence[RunRow]]]) -> list[RunGroup]:
    """Groups of runs that repeat each other, named by preset and by what sets one apart from others."""
    bases = [rows[0].preset or rows[0].title or rows[0].run_id for _, rows in found]
    groups = []
    for (values, rows), base in zip(found, bases, strict=True):
        alike = [other for (other, _), name in zip(found, bases, strict=True) if name == base]
        apart = [name for name in differing(*alike) if name in values][:_NAMED]
        texts = [f"{name.rpartition('.')[2]} {value_text(values[name])}" for name in apart]
        title = ", ".join((base, *texts))
        groups.append(RunGroup(f"seeds of {title} {hash(tuple(values.items()))}", title, tuple(rows)))
    return groups
