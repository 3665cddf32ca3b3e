"""What the columns say, how wide they are, and which go first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.widgets.runs.columns import BY_NAME, COLUMNS, GAP, CellContext, fit_columns

Digest = Callable[..., RunRow]


def said(name: str, digest: RunRow, width: int = 12, *, ascii_only: bool = False) -> str:
    return BY_NAME[name].cell(digest, CellContext(width, minute=100, ascii=ascii_only)).text


def test_columns_fill_the_width_and_never_exceed_it() -> None:
    for width in range(50, 200):
        shown = fit_columns(width)
        total = sum(column_width + GAP for _, column_width in shown) - GAP
        assert total <= width
        assert all(column.least <= column_width <= column.most for column, column_width in shown)
        grown = all(column_width == column.most for column, column_width in shown)
        assert total == width or grown


def test_the_least_useful_columns_go_first() -> None:
    names = [{column.name for column, _ in fit_columns(width)} for width in range(50, 200)]
    assert all(narrower <= wider for narrower, wider in pairwise(names))
    assert names[-1] == set(BY_NAME)
    assert {"run", "state", "epoch", "curve", "knn", "linear", "age"} <= names[78 - 50]
    assert {"run", "state", "epoch", "age"} <= names[0]


def test_every_heading_has_room_for_the_arrow_of_the_order() -> None:
    assert all(len(column.title) < column.least for column in COLUMNS)


def test_a_row_says_what_the_run_is(digest: Digest) -> None:
    run = digest(tags=("x", "y"), started=60.0 * 95)
    assert {name: said(name, run) for name in BY_NAME} == {
        "run": "a",
        "state": "completed",
        "preset": "cifar10",
        "method": "w_mse",
        "data": "cifar10",
        "epoch": "4/4",
        "curve": "█▃▁",
        "loss": "0.5",
        "knn": "80.00",
        "linear": "90.00",
        "age": "5 min",
        "tags": "x y",
        "host": "gpu-a",
    }


def test_what_nobody_knows_is_empty(digest: Digest) -> None:
    run = digest(
        epoch=0, epochs=0, loss=None, sparkline=(), best_knn=None, best_linear=None, started=None, host=""
    )
    assert said("epoch", run) == "0/?"
    assert [said(name, run) for name in ("curve", "loss", "knn", "linear", "age", "host")] == [""] * 6


def test_a_long_epoch_drops_its_total(digest: Digest) -> None:
    assert said("epoch", digest(epoch=12000, epochs=20000), 9) == "12000"
    assert said("epoch", digest(epoch=999, epochs=1000), 9) == "999/1000"


def test_an_id_that_is_too_long_keeps_its_time(digest: Digest) -> None:
    run = digest("cifar10-wmse4-20260301-120000")
    assert said("run", run, 29) == run.run_id
    assert said("run", run, 20) == "cifar10-…0301-120000"
    assert [len(said("run", run, width)) for width in range(16, 35)] == [*range(16, 29), *[29] * 6]


def test_hostile_text_is_shown_harmlessly(digest: Digest) -> None:
    run = digest("a\x1b]52;c;x\x07", preset="[/red]", tags=("\u202ex",))
    assert said("run", run, 30) == "a\\x1b]52;c;x\\x07"
    assert said("preset", run) == "[/red]"
    assert said("tags", run) == "\\u202ex"


def test_the_curve_is_ascii_where_it_must_be(digest: Digest) -> None:
    assert said("curve", digest(), ascii_only=True).isascii()
