"""The content of the list: which runs, in which order, which of them are marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from wmse_tui.runs.table.groups import GroupBy, RunGroup, grouped
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.options_cache import OptionsCache
from wmse_tui.runs.table.query import Query
from wmse_tui.runs.table.run_columns import sorted_by
from wmse_tui.tui.widgets.runs.columns import BY_NAME, DEFAULT, Column, column_named


@dataclass(frozen=True, slots=True)
class Order:
    """The column to sort by, and whether the largest comes first. By default the newest run is first."""

    column: str = "age"
    falling: bool = False

    def next(self, step: int = 1, names: Sequence[str] = DEFAULT) -> Order:
        """The usual order by the next of the named columns, or by the one `step` columns further."""
        at = names.index(self.column) if self.column in names else -1
        return order_by(names[(at + step) % len(names)])

    def turned(self) -> Order:
        """The reverse order."""
        return replace(self, falling=not self.falling)


def order_by(column: str) -> Order:
    """The usual order by a column."""
    return Order(column, _column(column).base.falling)


def _column(name: str) -> Column:
    return column_named(name) or BY_NAME["age"]


@dataclass(frozen=True, slots=True)
class ListLine:
    """A line of the list: a run, by itself or in a group; or a group (`row` is None)."""

    row: RunRow | None = None
    group: RunGroup | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the line whatever happens to the list."""
        return self.group.name if self.group else "", self.row.path if self.row else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """An immutable snapshot of the list; runs are identified by their paths.

    Attributes:
        runs: every run, newest first.
        rows: those that match the filter, in order.
        marked: paths of marked runs, whether they are shown or not.
        by: what the runs are grouped by; "": they are not.
        unfolded: the names of groups whose runs are shown below them.
        lines: what the list shows.
        options: of the runs, as far as they have been read.
    """

    runs: tuple[RunRow, ...] = ()
    query: Query = Query()  # noqa: RUF009 (frozen)
    order: Order = Order()
    marked: frozenset[str] = frozenset()
    rows: tuple[RunRow, ...] = ()
    by: GroupBy = ""
    unfolded: frozenset[str] = frozenset()
    lines: tuple[ListLine, ...] = ()
    options: OptionsCache = field(default_factory=OptionsCache, compare=False)

    def with_runs(self, runs: tuple[RunRow, ...]) -> Listing:
        """The runs as they are now; the marks of removed runs are removed."""
        there = {row.path for row in runs}
        return _arranged(replace(self, runs=runs, marked=self.marked & there))

    def with_query(self, query: Query) -> Listing:
        """With another filter."""
        return _arranged(replace(self, query=query))

    def with_order(self, order: Order) -> Listing:
        """In another order."""
        return _arranged(replace(self, order=order))

    def with_options(self) -> Listing:
        """The rows with the options that have been read since."""
        return _arranged(replace(self))

    def with_groups(self, by: GroupBy) -> Listing:
        """Grouped in another way, all groups folded."""
        return _arranged(replace(self, by=by, unfolded=frozenset()))

    def with_folded(self, group: RunGroup) -> Listing:
        """With the runs of a group shown below it, or hidden again."""
        return _arranged(replace(self, unfolded=self.unfolded ^ {group.name}))

    @property
    def groups(self) -> tuple[RunGroup, ...]:
        """The groups, in order."""
        return tuple(line.group for line in self.lines if line.group is not None and line.row is None)

    def with_marks(self, paths: Iterable[str]) -> Listing:
        """With these marked and no others."""
        return replace(self, marked=frozenset(paths))

    def toggled(self, path: str) -> Listing:
        """With the mark of one run set or removed."""
        return replace(self, marked=self.marked ^ {path})

    def group_toggled(self, group: RunGroup) -> Listing:
        """With all runs of a group marked, or no longer marked where they all are."""
        paths = {row.path for row in group.rows}
        return replace(self, marked=self.marked - paths if paths <= self.marked else self.marked | paths)

    def inverted(self) -> Listing:
        """With the marks of the shown runs inverted; those of hidden ones stay."""
        return replace(self, marked=self.marked ^ {row.path for row in self.rows})

    def all_marked(self) -> Listing:
        """With every shown run marked too."""
        return replace(self, marked=self.marked | {row.path for row in self.rows})

    def targets(self, current: RunRow | RunGroup | None) -> tuple[RunRow, ...]:
        """The runs that an action applies to: the marked ones, as listed, or else the current ones."""
        if self.marked:
            shown = [row for row in self.rows if row.path in self.marked]
            hidden = set(self.marked) - {row.path for row in shown}
            return (*shown, *(row for row in self.runs if row.path in hidden))
        if isinstance(current, RunGroup):
            return current.rows
        return () if current is None else (current,)

    @property
    def hidden_marks(self) -> int:
        """Marked runs that the filter hides."""
        return len(self.marked) - sum(row.path in self.marked for row in self.rows)


def _arranged(listing: Listing) -> Listing:
    rows = [row for row in listing.runs if listing.query.matches(row)]
    if listing.order != Order():  # else as they come
        base = _column(listing.order.column).base
        rows = sorted_by(base, rows, listing.options.of, falling=listing.order.falling)
    return replace(listing, rows=tuple(rows), lines=_lines(listing, rows))


def _lines(listing: Listing, rows: Sequence[RunRow]) -> tuple[ListLine, ...]:
    if not listing.by:
        return tuple(map(ListLine, rows))
    groups, alone = grouped(rows, listing.by, listing.options)
    heads = [ListLine(None, group) for group in groups] + [ListLine(row) for row in alone]
    lines: list[ListLine] = []
    for head in _in_order(heads, listing, rows):
        lines.append(head)
        if head.group is not None and head.group.name in listing.unfolded:
            lines += [ListLine(row, head.group) for row in head.group.rows]
    return tuple(lines)


def _in_order(heads: list[ListLine], listing: Listing, rows: Sequence[RunRow]) -> list[ListLine]:
    """Groups and single runs by the mean of a result; by anything else a group is where its first run is."""
    index = {row.path: at for at, row in enumerate(rows)}

    def first(head: ListLine) -> int:
        row = head.row or (head.group.rows[0] if head.group else None)
        return 0 if row is None else index[row.path]

    def mean(head: ListLine) -> float | None:
        if head.group is not None:
            found = head.group.spread(base, listing.options)
            return None if found is None else found.mean
        value: float | None = None if head.row is None else base.value(head.row, listing.options.of(head.row))
        return value

    heads.sort(key=first)
    base = _column(listing.order.column).base
    if base.average is None:
        return heads
    values = [(mean(head), head) for head in heads]
    known = [(value, head) for value, head in values if value is not None]
    known.sort(key=lambda pair: pair[0], reverse=listing.order.falling)
    return [head for _, head in known] + [head for value, head in values if value is None]
