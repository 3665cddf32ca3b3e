"""Order, filter and marks of the list, by run whatever happens to the list."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.widgets.runs.columns import COLUMNS
from wmse_tui.tui.widgets.runs.listing import Listing, Order, by
from wmse_tui.tui.widgets.runs.query import parse_query

Digest = Callable[..., RunRow]


def ids(listing: Listing) -> str:
    return "".join(run.run_id for run in listing.rows)


@pytest.fixture
def listing(digest: Digest) -> Listing:
    return Listing().with_digests(
        (
            digest("d", started=None, loss=None, best_knn=None, status="new"),
            digest("c", started=300.0, loss=0.2, best_knn=0.7, status="running"),
            digest("b", started=200.0, loss=0.9, best_knn=0.9),
            digest("a", started=100.0, loss=0.4, best_knn=0.8),
        )
    )


def test_by_default_the_list_stands_as_it_came(listing: Listing) -> None:
    assert ids(listing) == "dcba"


@pytest.mark.parametrize(
    ("order", "shown"),
    [
        (by("run"), "abcd"),
        (by("run").turned(), "dcba"),
        (by("loss"), "cabd"),
        (by("loss").turned(), "bacd"),
        (by("knn"), "bacd"),
        (by("knn").turned(), "cabd"),
        (Order("age", falling=True), "abcd"),
    ],
)
def test_runs_without_a_value_are_last_either_way(listing: Listing, order: Order, shown: str) -> None:
    assert ids(listing.with_order(order)) == shown


def test_the_order_goes_through_every_column_and_back() -> None:
    order, seen = Order(), []
    for _ in COLUMNS:
        seen.append(order.column)
        order = order.next()
    assert order == Order()
    assert sorted(seen) == sorted(column.name for column in COLUMNS)
    assert Order().next().next(-1) == Order()


def test_marks_stay_on_their_runs(listing: Listing, digest: Digest) -> None:
    marked = listing.toggled("/runs/b").toggled("/runs/c")
    later = marked.with_digests((digest("e"), *marked.digests)).with_order(by("run"))
    assert [run.run_id for run in later.meant(None)] == ["b", "c"]
    assert later.toggled("/runs/b").marked == {"/runs/c"}


def test_the_mark_of_a_run_that_is_gone_goes_with_it(listing: Listing) -> None:
    marked = listing.toggled("/runs/b").toggled("/runs/c")
    assert marked.with_digests(listing.digests[:2]).marked == {"/runs/c"}


def test_marking_all_and_inverting_are_about_the_shown_runs(listing: Listing) -> None:
    marked = listing.toggled("/runs/c").with_query(parse_query("state:done"))
    assert ids(marked) == "ba"
    assert marked.hidden_marks == 1
    assert marked.all_marked().marked == {"/runs/a", "/runs/b", "/runs/c"}
    assert marked.toggled("/runs/a").inverted().marked == {"/runs/b", "/runs/c"}
    assert marked.with_marks(()).marked == frozenset()


def test_an_action_is_about_the_marked_also_where_they_are_hidden(listing: Listing) -> None:
    marked = listing.toggled("/runs/c").toggled("/runs/a").with_query(parse_query("state:done"))
    assert [run.run_id for run in marked.meant(marked.rows[0])] == ["a", "c"]


def test_without_marks_an_action_is_about_the_current_run(listing: Listing) -> None:
    assert listing.meant(listing.rows[1]) == (listing.rows[1],)
    assert listing.meant(None) == ()
