"""Which runs match a filter."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.query import FIELDS, NUMBERS, parse_query

MakeRow = Callable[..., RunRow]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "abcd"),
        ("cifar10", "ab"),
        ("STL", "c"),
        ("state:running", "b"),
        ("state:run", "b"),
        ("state:done", "a"),
        ("state:active", "bc"),
        ("state:ended", "ad"),
        ("state:done,running", "ab"),
        ("-state:active", "ad"),
        ("tag:base", "a"),
        ("tag:line", ""),
        ("-tag:base method:w_mse", "bc"),
        ("method:simclr,byol", "d"),
        ("method:mse", ""),
        ("preset:stl", "c"),
        ("data:tiny", "d"),
        ("host:gpu-b", "d"),
        ("note:eps", "b"),
        ("verdict:collapsed", "d"),
        ("verdict:coll", "cd"),
        ('title:"two words"', "b"),
        ('"two words"', "b"),
        ("two words", "ab"),
        ("words two -smaller", "a"),
        ("state:", "abcd"),
        ("-", "abcd"),
        ('title:"', "abcd"),
    ],
)
def test_every_part_must_match(row: MakeRow, text: str, shown: str) -> None:
    runs = (
        row("a", title="words, and two", tags=("baseline", "x"), note=""),
        row("b", title="two words", status="running", note="smaller eps"),
        row("c", preset="stl10", dataset="stl10", status="stalled", verdict="collapsing"),
        row(
            "d",
            preset="tiny",
            dataset="tiny_imagenet",
            method="byol",
            host="gpu-b",
            status="diverged",
            verdict="collapsed",
        ),
    )
    query = parse_query(text)
    assert "".join(run.run_id for run in runs if query.matches(run)) == shown
    assert query.problem == ""


def test_an_unknown_field_is_reported_and_searched_as_a_word(row: MakeRow) -> None:
    query = parse_query("stat:running")
    assert query.problem == "no field is called stat; did you mean state?"
    assert not query.matches(row("a"))
    assert query.matches(row("a", note="he said stat:running"))
    assert (
        parse_query("qqq:1").problem == f"no field is called qqq; there are {', '.join((*FIELDS, *NUMBERS))}"
    )


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_filter(text: str) -> None:
    query = parse_query(text)
    run = RunRow(run_id="a", path="/a", status="new")
    assert query.matches(run) in (True, False)
    assert query.problem.isprintable()


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("knn:>79.9", True),
        ("knn:>80", False),
        ("knn:>=80%", True),
        ("-knn:>80", True),
        ("linear:<95 knn:=80", True),
        ("lr:<1e-3", True),
        ("lr:<1e-4", False),
        ("seed:3", True),
        ("loss:>0.4", True),
        ("bestknn:>1", False),
        ("age:<2h", True),
        ("age:<30m", False),
        ("age:>1w", False),
    ],
)
def test_numbers_are_compared(row: MakeRow, text: str, matches: bool) -> None:
    query = parse_query(text)
    assert not query.problem
    assert query.matches(row(lr=5e-4, seed=3, started=time.time() - 3600)) == matches


@pytest.mark.parametrize("text", ["knn:>x", "age:>5", "lr:<1d", "seed:1.2.3"])
def test_what_is_no_number_is_reported(text: str) -> None:
    assert "is compared with a number, as in" in parse_query(text).problem


@pytest.mark.parametrize("name", NUMBERS)
def test_a_comparison_without_a_colon_is_corrected(name: str) -> None:
    assert parse_query(f"simclr {name}>=50").problem == f"write {name}:>=50"
    assert not parse_query(name).problem


def test_a_comparison_that_is_still_being_typed_hides_nothing(row: MakeRow) -> None:
    for text in ("knn:", "knn:>", "age:<="):
        assert parse_query(text).matches(row())
        assert not parse_query(text).problem
