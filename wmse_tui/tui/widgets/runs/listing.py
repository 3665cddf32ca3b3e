"""What the list shows: which runs, in which order, which of them are marked. Knows nothing of a screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.widgets.runs.columns import BY_NAME, COLUMNS
from wmse_tui.tui.widgets.runs.query import Query


@dataclass(frozen=True, slots=True)
class Order:
    """By which column, and whether the largest comes first. By default the newest run is first."""

    column: str = "age"
    falling: bool = False

    def next(self, step: int = 1) -> Order:
        """The order by the next column (or by the one `step` columns on), the way that is usual for it."""
        names = [column.name for column in COLUMNS]
        return by(names[(names.index(self.column) + step) % len(names)])

    def turned(self) -> Order:
        """The same column the other way round."""
        return replace(self, falling=not self.falling)


def by(column: str) -> Order:
    """The order by a column, the way that is usual for it."""
    return Order(column, BY_NAME[column].falling)


@dataclass(frozen=True, slots=True)
class Listing:
    """An immutable picture of the list; runs are known by their paths.

    Attributes:
        digests: every run, newest first.
        rows: those that the filter lets through, in order.
        marked: paths of marked runs, whether they are shown or not.
    """

    digests: tuple[RunRow, ...] = ()
    query: Query = Query()  # noqa: RUF009 (frozen)
    order: Order = Order()
    marked: frozenset[str] = frozenset()
    rows: tuple[RunRow, ...] = ()

    def with_digests(self, digests: tuple[RunRow, ...]) -> Listing:
        """The runs as they are now; marks of runs that are gone go with them."""
        there = {digest.path for digest in digests}
        return _arranged(replace(self, digests=digests, marked=self.marked & there))

    def with_query(self, query: Query) -> Listing:
        """Filtered otherwise."""
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
        """With the marks of the shown runs turned round; those of hidden ones stay."""
        return replace(self, marked=self.marked ^ {digest.path for digest in self.rows})

    def all_marked(self) -> Listing:
        """With every shown run marked too."""
        return replace(self, marked=self.marked | {digest.path for digest in self.rows})

    def meant(self, current: RunRow | None) -> tuple[RunRow, ...]:
        """What an action is about: the marked runs in the order of the list, or else the current one."""
        if self.marked:
            shown = [digest for digest in self.rows if digest.path in self.marked]
            hidden = set(self.marked) - {digest.path for digest in shown}
            return (*shown, *(digest for digest in self.digests if digest.path in hidden))
        return () if current is None else (current,)

    @property
    def hidden_marks(self) -> int:
        """Marked runs that the filter hides."""
        return len(self.marked) - sum(digest.path in self.marked for digest in self.rows)


def _arranged(listing: Listing) -> Listing:
    rows = [digest for digest in listing.digests if listing.query.matches(digest)]
    if listing.order == Order():
        return replace(listing, rows=tuple(rows))  # as they come
    key = BY_NAME[listing.order.column].key
    known = [digest for digest in rows if key(digest) is not None]
    unknown = [digest for digest in rows if key(digest) is None]
    known.sort(key=key, reverse=listing.order.falling)
    return replace(listing, rows=(*known, *unknown))
