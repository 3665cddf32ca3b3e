"""The content of the columns, their widths, and which are left out first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.widgets.runs.columns import BY_NAME, DEFAULT, GAP, CellContext, fit_columns

MakeRow = Callable[..., RunRow]


def text_of(name: str, row: RunRow, width: int = 12, *, ascii_only: bool = False) -> str:
    return BY_NAME[name].cell(row, CellContext(width, minute=100, ascii=ascii_only)).text


def test_columns_fill_the_width_and_never_exceed_it() -> None:
    for width in range(50, 200):
        shown = fit_columns(width)
        total = sum(column_width + GAP for _, column_width in shown) - GAP
        assert total <= width
        assert total == width
        assert all(column.least <= column_width for column, column_width in shown)
        grown = all(column_width == column.most for column, column_width in shown if column.name != "run")
        assert grown or {column.name: wide for column, wide in shown}["run"] <= BY_NAME["run"].most


def test_the_least_useful_columns_are_left_out_first() -> None:
    names = [{column.name for column, _ in fit_columns(width)} for width in range(50, 200)]
    assert all(narrower <= wider for narrower, wider in pairwise(names))
    assert names[-1] == set(DEFAULT)
    assert {"run", "state", "epoch", "curve", "knn", "linear", "age"} <= names[78 - 50]
    assert {"run", "state", "epoch", "age"} <= names[0]


def test_every_heading_has_space_for_the_arrow_of_the_order() -> None:
    assert all(len(column.title) < column.least for column in BY_NAME.values())


def test_chosen_columns_are_shown_in_their_usual_order_with_the_run() -> None:
    shown = [column.name for column, _ in fit_columns(100, ("note", "seed", "lr", "state"))]
    assert shown == ["run", "state", "seed", "lr", "note"]
    assert [column.name for column, _ in fit_columns(30, ("note", "seed"))] == ["run", "seed"]


def test_a_row_shows_each_column_of_its_run(row: MakeRow) -> None:
    run = row(tags=("x", "y"), started=60.0 * 95, note="look again", best_knn=0.85, step=4000)
    assert {name: text_of(name, run) for name in BY_NAME} == {
        "run": "a",
        "state": "completed",
        "preset": "cifar10",
        "method": "w_mse",
        "data": "cifar10",
        "epoch": "4/4",
        "curve": "█▃▁",
        "loss": "0.500",
        "knn": "80.00",
        "linear": "90.00",
        "age": "5 min",
        "tags": "x y",
        "host": "gpu-a",
        "seed": "0",
        "lr": "",
        "bestknn": "85.00",
        "bestlinear": "",
        "step": "4,000",
        "verdict": "",
        "device": "",
        "note": "look again",
    }


def test_a_missing_value_is_empty(row: MakeRow) -> None:
    run = row(
        epoch=0, epochs=0, loss=None, sparkline=(), final_knn=None, final_linear=None, started=None, host=""
    )
    assert text_of("epoch", run) == "0/?"
    assert [text_of(name, run) for name in ("curve", "loss", "knn", "linear", "age", "host")] == [""] * 6


def test_a_long_epoch_drops_its_total(row: MakeRow) -> None:
    assert text_of("epoch", row(epoch=12000, epochs=20000), 9) == "12000"
    assert text_of("epoch", row(epoch=999, epochs=1000), 9) == "999/1000"


def test_an_id_that_is_too_long_keeps_its_time(row: MakeRow) -> None:
    run = row("cifar10-wmse4-20260301-120000")
    assert text_of("run", run, 29) == run.run_id
    assert text_of("run", run, 20) == "cifar10-…0301-120000"
    assert [len(text_of("run", run, width)) for width in range(16, 35)] == [*range(16, 29), *[29] * 6]


def test_hostile_text_is_shown_harmlessly(row: MakeRow) -> None:
    run = row("a\x1b]52;c;x\x07", preset="[/red]", tags=("\u202ex",))
    assert text_of("run", run, 30) == "a\\x1b]52;c;x\\x07"
    assert text_of("preset", run) == "[/red]"
    assert text_of("tags", run) == "\\u202ex"


def test_the_curve_can_be_ascii(row: MakeRow) -> None:
    assert text_of("curve", row(), ascii_only=True).isascii()
