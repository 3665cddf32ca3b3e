"""The content of the list: which runs, in which order, which of them are marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.query import Query
from wmse_tui.tui.widgets.runs.columns import BY_NAME, DEFAULT


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
    return Order(column, BY_NAME[column].falling)


@dataclass(frozen=True, slots=True)
class Listing:
    """An immutable snapshot of the list; runs are identified by their paths.

    Attributes:
        runs: every run, newest first.
        rows: those that match the filter, in order.
        marked: paths of marked runs, whether they are shown or not.
    """

    runs: tuple[RunRow, ...] = ()
    query: Query = Query()  # noqa: RUF009 (frozen)
    order: Order = Order()
    marked: frozenset[str] = frozenset()
    rows: tuple[RunRow, ...] = ()

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

    def with_marks(self, paths: Iterable[str]) -> Listing:
        """With these marked and no others."""
        return replace(self, marked=frozenset(paths))

    def toggled(self, path: str) -> Listing:
        """With the mark of one run set or removed."""
        return replace(self, marked=self.marked ^ {path})

    def inverted(self) -> Listing:
        """With the marks of the shown runs inverted; those of hidden ones stay."""
        return replace(self, marked=self.marked ^ {row.path for row in self.rows})

    def all_marked(self) -> Listing:
        """With every shown run marked too."""
        return replace(self, marked=self.marked | {row.path for row in self.rows})

    def targets(self, current: RunRow | None) -> tuple[RunRow, ...]:
        """The runs that an action applies to: the marked ones, as listed, or else the current one."""
        if self.marked:
            shown = [row for row in self.rows if row.path in self.marked]
            hidden = set(self.marked) - {row.path for row in shown}
            return (*shown, *(row for row in self.runs if row.path in hidden))
        return () if current is None else (current,)

    @property
    def hidden_marks(self) -> int:
        """Marked runs that the filter hides."""
        return len(self.marked) - sum(row.path in self.marked for row in self.rows)


def _arranged(listing: Listing) -> Listing:
    rows = [row for row in listing.runs if listing.query.matches(row)]
    if listing.order == Order():
        return replace(listing, rows=tuple(rows))  # as they come
    key = BY_NAME[listing.order.column].key
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    known.sort(key=key, reverse=listing.order.falling)
    return replace(listing, rows=(*known, *unknown))
