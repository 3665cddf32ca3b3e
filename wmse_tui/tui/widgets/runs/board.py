"""The list of runs with its filter, its status line, and the details of the run under the cursor."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from wmse_tui.runs.state.status import ACTIVE
from wmse_tui.runs.table.groups import GROUPINGS
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.options_cache import OptionsCache
from wmse_tui.runs.table.query import parse_query
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui import keys
from wmse_tui.tui.saved_state import RunsPart, SavedState
from wmse_tui.tui.services import services_of
from wmse_tui.tui.widgets.runs.ages import now_minute
from wmse_tui.tui.widgets.runs.column_picker import ColumnPicker
from wmse_tui.tui.widgets.runs.columns import DEFAULT, column_named
from wmse_tui.tui.widgets.runs.detail import RunDetail, differences
from wmse_tui.tui.widgets.runs.finder import Finder
from wmse_tui.tui.widgets.runs.listing import Listing, Order, order_by
from wmse_tui.tui.widgets.runs.run_table import RunTable

_DELAY = 0.1
"""Seconds that the cursor stays on a run before its configuration is read."""
_SLICE, _PAUSE = 0.04, 0.01
"""Seconds of reading configurations at once, and between two slices."""


class RunBoard(Vertical):
    """Shows runs, and filters, sorts and marks them; actions on runs are those of the screen."""

    BINDINGS = keys.RUN_BOARD

    class Chosen(Message):
        """The run under the cursor was chosen with the mouse."""

    def __init__(
        self,
        *,
        root: str,
        ascii_only: bool = False,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._root = root  # of the runs
        self._ascii = ascii_only
        self._options = OptionsCache()
        self._listing = Listing(options=self._options)
        self._unread_marks: frozenset[str] = frozenset()  # of runs that are not read yet
        self._columns: tuple[str, ...] = DEFAULT
        self._loading: int | None = None  # None: nothing has been read yet
        self._problem = ""
        self._reading = False  # options
        self._restored = False  # the filter is that of an earlier session, and the list is not read yet
        self._differences: dict[str, str] = {}  # of runs from their presets, by path; both never change

    def compose(self) -> ComposeResult:
        yield Static("reading runs", markup=False, id="runs-status")
        yield Finder(id="runs-finder")
        yield RunTable(ascii_only=self._ascii, id="runs-table")
        yield Static("", markup=False, id="runs-empty")
        yield RunDetail(ascii_only=self._ascii, id="runs-detail")

    def on_mount(self) -> None:
        self._table = self.query_one(RunTable)
        self._restore()
        self._show()

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        return self._table.current

    @property
    def targets(self) -> tuple[RunRow, ...]:
        """The runs that an action applies to: the marked ones, or else that or those under the cursor."""
        return self._listing.targets(self.current or self._table.current_group)

    @property
    def on_group(self) -> bool:
        """Whether the cursor is on a group."""
        return self._table.current_group is not None

    def fold(self) -> None:
        """Show the runs of the group under the cursor below it, or hide them again."""
        if self._table.current_group is not None:
            self._arrange(self._listing.with_folded(self._table.current_group))

    @property
    def empty(self) -> bool:
        """Whether the folder was read and holds no runs."""
        return self._loading == 0 and not self._listing.runs and not self._problem

    def focus_list(self) -> None:
        """Keys go to the list."""
        self._table.focus()

    def show(self, rows: tuple[RunRow, ...], loading: int, problem: str) -> None:
        """Show these runs; `loading` further ones have not been read yet."""
        self._loading, self._problem = loading, problem
        if not loading:
            self._options.forget_all_but(rows)
        listing = self._listing.with_runs(rows)
        if self._unread_marks:
            found = self._unread_marks & {row.path for row in rows}
            self._unread_marks = self._unread_marks - found if loading or problem else frozenset()
            listing = listing.with_marks(listing.marked | found)
        self._arrange(listing)
        if not loading and not problem:
            if self._restored and not listing.rows:  # the runs that it was made for are gone
                self.action_show_all()
            self._restored = False

    def update_ages(self) -> None:
        """Show the ages as of now."""
        self._table.show(self._listing, now_minute())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Without a filter `escape` is the screen's."""
        return action != "show_all" or bool(self._listing.query.text) or self.query_one(Finder).display

    # Finding, sorting, marking

    def action_find(self) -> None:
        """Type a filter."""
        self.query_one(Finder).open()

    def action_show_all(self) -> None:
        """Drop the filter."""
        self.query_one(Finder).action_clear()

    def on_finder_changed(self, event: Finder.Changed) -> None:
        event.stop()
        self._restored = self._restored and event.query.text == self._listing.query.text
        self._arrange(self._listing.with_query(event.query))

    def on_finder_left(self, event: Finder.Left) -> None:
        event.stop()
        self.focus_list()

    def action_sort(self, step: int) -> None:
        """Sort by another column."""
        self._arrange(self._listing.with_order(self._listing.order.next(step, self._columns)))

    @work(group="columns")
    async def action_columns(self) -> None:
        """Choose which columns are shown."""
        chosen = await self.app.push_screen_wait(ColumnPicker(self._columns))
        if chosen:
            self._columns = chosen
            self._table.show_columns(chosen)
            self._save()
            self._read_options()

    def action_group(self) -> None:
        """Group the runs by seed, by sweep, by tag, or not."""
        self._arrange(
            self._listing.with_groups(GROUPINGS[(GROUPINGS.index(self._listing.by) + 1) % len(GROUPINGS)])
        )

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._arrange(self._listing.with_order(self._listing.order.turned()))

    def on_run_table_heading_clicked(self, event: RunTable.HeadingClicked) -> None:
        event.stop()
        order = self._listing.order
        self._arrange(
            self._listing.with_order(
                order.turned() if event.column == order.column else order_by(event.column)
            )
        )

    def action_mark(self) -> None:
        """Mark the run or the group under the cursor, or remove its mark, and move to the next."""
        if self._toggle_mark():
            self._table.action_move(1)

    def _toggle_mark(self) -> bool:
        """Mark what is under the cursor, or remove its mark; returns whether there is something."""
        if self._table.current_group is not None:
            self._arrange(self._listing.group_toggled(self._table.current_group))
        elif self.current is not None:
            self._arrange(self._listing.toggled(self.current.path))
        else:
            return False
        return True

    def on_run_table_mark_clicked(self, event: RunTable.MarkClicked) -> None:
        event.stop()
        self._toggle_mark()

    def action_mark_all(self) -> None:
        """Mark every shown run."""
        self._arrange(self._listing.all_marked())

    def action_invert(self) -> None:
        """Invert the marks of the shown runs."""
        self._arrange(self._listing.inverted())

    def action_unmark(self) -> None:
        """Remove all marks."""
        self._arrange(self._listing.with_marks(()))

    def on_run_table_chosen(self, event: RunTable.Chosen) -> None:
        event.stop()
        self.post_message(self.Chosen())

    # Showing

    def _arrange(self, listing: Listing) -> None:
        if listing is not self._listing:
            self._listing = listing
            self._show()
            self.screen.refresh_bindings()
            self._save()
            self._read_options()

    def _read_options(self) -> None:
        """Read the options of the runs, if something that is shown needs them."""
        shown = (*self._columns, self._listing.order.column)
        needed = self._listing.by == "seed" or any(
            (column := column_named(name)) is not None and column.base.of_option for name in shown
        )
        if needed and not self._reading and self._options.missing(self._listing.runs):
            self._reading = True
            self._read_all_options()

    @work(group="options")
    async def _read_all_options(self) -> None:
        while missing := self._options.missing(self._listing.runs):
            await asyncio.to_thread(self._options.read, missing, _SLICE)
            await asyncio.sleep(_PAUSE)  # the interface gets the interpreter
        self._reading = False
        self._listing = self._listing.with_options()
        self._show()

    # Saved for the next start of the app

    def _restore(self) -> None:
        saved, part = self._saved, self._saved.current.runs
        self._unread_marks = frozenset(saved.of_root("marks", Path(self._root)))
        order = Order(part.column, part.falling) if _is_column(part.column) else Order()
        by = next((each for each in GROUPINGS if each == part.group), GROUPINGS[0])
        self._listing = self._listing.with_order(order).with_query(parse_query(part.filter)).with_groups(by)
        self.query_one(Finder).restore(part.filter)
        self._restored = bool(part.filter)
        self._columns = tuple(filter(_is_column, part.columns)) or DEFAULT
        self._table.show_columns(self._columns)

    def _save(self) -> None:
        listing, saved = self._listing, self._saved
        order = listing.order
        part = RunsPart(
            filter=listing.query.text,
            column=order.column,
            falling=order.falling,
            columns=[] if self._columns == DEFAULT else list(self._columns),
            group=listing.by,
        )
        if part != saved.current.runs:
            saved.change(runs=part)
        marks = sorted(listing.marked | self._unread_marks)
        if marks != saved.of_root("marks", Path(self._root)):
            saved.change_of_root("marks", Path(self._root), marks)

    @property
    def _saved(self) -> SavedState:
        return services_of(self).saved

    def _show(self) -> None:
        self._table.show(self._listing, now_minute())
        self._set_text("#runs-status", status_line(self._listing, self._loading))
        hint = self._hint()
        self._set_text("#runs-empty", hint)
        self.set_class(bool(hint), "-empty")

    def on_run_table_moved(self, event: RunTable.Moved) -> None:
        event.stop()
        if event.group is not None:
            self.query_one(RunDetail).show_group(event.group, self._options)
        else:
            self.query_one(RunDetail).show(event.row)
        if event.row is not None:
            self._read_differences(event.row)
        self.screen.refresh_bindings()

    @work(exclusive=True, group="differences")
    async def _read_differences(self, row: RunRow) -> None:
        """Show in what the run under the cursor differs from its preset, read in a thread."""
        if row.path not in self._differences:
            await asyncio.sleep(_DELAY)  # the cursor may move on
            self._differences[row.path] = await asyncio.to_thread(differences, row)
        if self.current is not None and self.current.path == row.path:
            self.query_one(RunDetail).show_differences(self._differences[row.path])

    def _set_text(self, selector: str, text: str) -> None:
        line = self.query_one(selector, Static)
        if line.content != text:  # drawing the same again would send it again
            line.update(text)

    def _hint(self) -> str:
        if self._listing.rows:
            return ""
        if self._problem:
            return safe(self._problem, 600)
        if self._listing.runs:
            escape = services_of(self).keys.name("runs-show-all")
            return f"No run matches {safe(self._listing.query.text, 100)!r}. {escape} shows all."
        if self._loading == 0:
            enter = services_of(self).keys.name("runs-open")
            return (
                f"There are no runs yet.\nRuns are read from {safe(self._root, 300)}\n\n"
                f"{enter} opens Configure with quickstart: a small run that needs no download and no GPU."
            )
        return ""


def _is_column(name: str) -> bool:
    return column_named(name) is not None


def status_line(listing: Listing, loading: int | None) -> str:
    """How many runs there are, are shown and are marked, and how they are sorted."""
    if loading is None:
        return "reading runs"
    total = len(listing.runs)
    parts = [f"reading {total} of {total + loading} runs" if loading else count(total, "run")]
    active = sum(row.status in ACTIVE for row in listing.runs)
    if active:
        parts.append(f"{active} being trained")
    if listing.query.parts:
        parts.append(f"{len(listing.rows)} shown for {safe(listing.query.text, 60)}")
    if listing.marked:
        hidden = f" ({listing.hidden_marks} not shown)" if listing.hidden_marks else ""
        parts.append(f"{len(listing.marked)} marked{hidden}")
    if listing.order != Order():
        direction = "largest first" if listing.order.falling else "smallest first"
        column = column_named(listing.order.column)
        parts.append(f"by {column.title.lower() if column else listing.order.column}, {direction}")
    if listing.by:
        parts.append(f"{count(len(listing.groups), 'group')} by {listing.by}")
    return " · ".join(parts)
