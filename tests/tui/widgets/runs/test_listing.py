"""Order, filter and marks of the list, by run whatever happens to the list."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.query import parse_query
from wmse_tui.tui.widgets.runs.columns import COLUMNS
from wmse_tui.tui.widgets.runs.listing import Listing, Order, order_by

MakeRow = Callable[..., RunRow]


def ids(listing: Listing) -> str:
    return "".join(run.run_id for run in listing.rows)


@pytest.fixture
def listing(row: MakeRow) -> Listing:
    return Listing().with_runs(
        (
            row("d", started=None, loss=None, final_knn=None, status="new"),
            row("c", started=300.0, loss=0.2, final_knn=0.7, status="running"),
            row("b", started=200.0, loss=0.9, final_knn=0.9),
            row("a", started=100.0, loss=0.4, final_knn=0.8),
        )
    )


def test_by_default_the_order_is_that_of_the_runs(listing: Listing) -> None:
    assert ids(listing) == "dcba"


@pytest.mark.parametrize(
    ("order", "shown"),
    [
        (order_by("run"), "abcd"),
        (order_by("run").turned(), "dcba"),
        (order_by("loss"), "cabd"),
        (order_by("loss").turned(), "bacd"),
        (order_by("knn"), "bacd"),
        (order_by("knn").turned(), "cabd"),
        (Order("age", falling=True), "abcd"),
    ],
)
def test_runs_without_a_value_are_last_either_way(listing: Listing, order: Order, shown: str) -> None:
    assert ids(listing.with_order(order)) == shown


def test_the_order_cycles_through_every_column_and_back() -> None:
    order, seen = Order(), []
    for _ in COLUMNS:
        seen.append(order.column)
        order = order.next()
    assert order == Order()
    assert sorted(seen) == sorted(column.name for column in COLUMNS)
    assert Order().next().next(-1) == Order()


def test_marks_stay_on_their_runs(listing: Listing, row: MakeRow) -> None:
    marked = listing.toggled("/runs/b").toggled("/runs/c")
    later = marked.with_runs((row("e"), *marked.runs)).with_order(order_by("run"))
    assert [run.run_id for run in later.targets(None)] == ["b", "c"]
    assert later.toggled("/runs/b").marked == {"/runs/c"}


def test_the_mark_of_a_removed_run_is_removed(listing: Listing) -> None:
    marked = listing.toggled("/runs/b").toggled("/runs/c")
    assert marked.with_runs(listing.runs[:2]).marked == {"/runs/c"}


def test_marking_all_and_inverting_apply_to_the_shown_runs(listing: Listing) -> None:
    marked = listing.toggled("/runs/c").with_query(parse_query("state:done"))
    assert ids(marked) == "ba"
    assert marked.hidden_marks == 1
    assert marked.all_marked().marked == {"/runs/a", "/runs/b", "/runs/c"}
    assert marked.toggled("/runs/a").inverted().marked == {"/runs/b", "/runs/c"}
    assert marked.with_marks(()).marked == frozenset()


def test_an_action_applies_to_marked_runs_also_where_they_are_hidden(listing: Listing) -> None:
    marked = listing.toggled("/runs/c").toggled("/runs/a").with_query(parse_query("state:done"))
    assert [run.run_id for run in marked.targets(marked.rows[0])] == ["a", "c"]


def test_without_marks_an_action_applies_to_the_current_run(listing: Listing) -> None:
    assert listing.targets(listing.rows[1]) == (listing.rows[1],)
    assert listing.targets(None) == ()
