"""Which runs match a filter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.widgets.runs.query import FIELDS, parse_query

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
    assert parse_query("qqq:1").problem == f"no field is called qqq; there are {', '.join(FIELDS)}"


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_filter(text: str) -> None:
    query = parse_query(text)
    run = RunRow(run_id="a", path="/a", status="new")
    assert query.matches(run) in (True, False)
    assert query.problem.isprintable()
