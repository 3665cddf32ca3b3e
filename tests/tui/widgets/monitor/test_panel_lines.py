"""Evaluations and the configuration as lines of text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from made_transfer import transfer_result

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.marked_config import ConfigLine, MarkedConfig
from wmse_tui.runs.state.transfer_results import SavedTransfer
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.widgets.monitor.panel_lines import (
    MOST_ROWS,
    config_as_lines,
    evaluation_heading,
    evaluations_as_lines,
    transfer_as_lines,
)

MakeRun = Callable[..., RunDirectory]


def test_each_evaluation_is_a_row_and_the_best_is_marked(make_run: MakeRun) -> None:
    lines = evaluations_as_lines(view_run(make_run("small", "completed")))
    assert evaluation_heading().split() == ["epoch", "step", "k-NN", "linear", "top-5", "pixels", "took"]
    assert [line.text for line in lines[:2]] == [
        "train -> test",
        "     0       0   31.00 %         -         -   28.00 %     1 s  untrained",
    ]
    assert lines[-1].text == "     4      20   81.25 %   87.50 %   99.00 %         -     1 s"
    assert [line.kind for line in lines] == ["day", "plain", "plain", "plain", "plain", "good"]
    assert all(len(line.text) <= 74 for line in lines)  # what an 80 column terminal shows without wrapping


def test_transfer_is_below_the_evaluations_with_what_its_numbers_are() -> None:
    per_class = replace(transfer_result("/my/\x1b[2Jflowers" + "s" * 40, 0.5), metric="mean_per_class")
    saved = [SavedTransfer(one, "final.pt", "now") for one in (transfer_result("patterns"), per_class)]
    lines = [line.text for line in transfer_as_lines(saved)]
    assert lines[:6] == [
        "transfer to other images, %",
        "                          linear       95 %    5-NN   20-NN",
        "  Patterns                 62.50  59.4-65.6   56.25   59.38",
        "  \\x1b[2Jf…sssssssssss *   50.00  46.9-53.1   43.75   46.88",
        "  images a class               1       5      10     ECE  scaled  temp.",
        "  Patterns                 37.50   50.00       -   12.50    3.12    1.5",
    ]
    assert "  Patterns, fine-tuned on 12.5 % of the labels: 56.25" in lines
    assert "  Patterns: train (2,000) -> test (1,000), final.pt, now" in lines
    assert all(len(line) <= 74 for line in (*lines[:7], *lines[-7:]))
    text = "\n".join(lines)
    for term in ("linear:", "5-NN:", "20-NN:", "few-shot", "ECE:", "fine-tuned on:", "* mean per class"):
        assert term in text
    assert transfer_as_lines([]) == ()


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
