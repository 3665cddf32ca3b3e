"""Evaluations and the configuration as lines of text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.marked_config import ConfigLine, MarkedConfig
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.widgets.monitor.panel_lines import (
    MOST_ROWS,
    config_as_lines,
    evaluation_heading,
    evaluations_as_lines,
)

MakeRun = Callable[..., RunDirectory]


def test_each_evaluation_is_a_row_and_the_best_is_marked(make_run: MakeRun) -> None:
    lines = evaluations_as_lines(view_run(make_run("small", "completed")))
    assert evaluation_heading().split() == ["epoch", "step", "k-NN", "linear", "top-5", "pixels", "took"]
    assert [line.text for line in lines[:2]] == [
        "train -> test",
        "     0        0   31.00 %         -         -   28.00 %         1 s  untrained",
    ]
    assert lines[-1].text == "     4       20   81.25 %   87.50 %   99.00 %         -         1 s"
    assert [line.kind for line in lines] == ["day", "plain", "plain", "plain", "plain", "good"]
    assert all(len(line.text) <= 78 for line in lines)


def test_the_splits_are_named_where_they_change(make_run: MakeRun) -> None:
    run_state = view_run(make_run("small", "completed"))
    first, *others = run_state.evaluations
    changed = replace(run_state, evaluations=(first, *(replace(one, test_split="\x1b[2J") for one in others)))
    assert [line.text for line in evaluations_as_lines(changed) if line.kind == "day"] == [
        "train -> test",
        "train -> \\x1b[2J",
    ]


def test_only_the_newest_rows_are_shown(make_run: MakeRun) -> None:
    run_state = view_run(make_run("small", "completed"))
    many = tuple(replace(run_state.evaluations[-1], epoch=epoch, step=epoch) for epoch in range(1, 3001))
    lines = evaluations_as_lines(replace(run_state, evaluations=many))
    assert len(lines) == MOST_ROWS + 1
    assert lines[-1].text.split()[0] == "3000"


def test_what_differs_from_the_preset_has_a_star_and_the_presets_value() -> None:
    config = MarkedConfig(lines=(ConfigLine("seed: 0"), ConfigLine("  dim: 32", "64")))
    assert [(line.text, line.kind) for line in config_as_lines(config)] == [
        ("  seed: 0", "plain"),
        ("*   dim: 32   (preset: 64)", "marked"),
    ]
