"""Evaluations and the configuration as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from wmse_tui.runs.log.activity import ActivityLine
from wmse_tui.runs.log.events import Evaluation
from wmse_tui.runs.marked_config import MarkedConfig
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.saved_evaluations import SavedEvaluation
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import duration, percent

MOST_ROWS = 1000
_COLUMNS = (6, 9, 10, 10, 10, 10, 12)
_HEADINGS = ("epoch", "step", "k-NN", "linear", "top-5", "pixels", "took")


def evaluation_heading() -> str:
    """The names of the columns."""
    return _row(_HEADINGS)


def evaluations_as_lines(
    run_state: RunState, saved: Sequence[SavedEvaluation] = ()
) -> tuple[ActivityLine, ...]:
    """The newest evaluations, a line each, the best ones marked, under the names of the splits.

    Below them those of `saved`, made after training, each with its checkpoint and its time.
    """
    best = {id(found) for found in (run_state.best_knn, run_state.best_linear) if found is not None}
    lines = []
    splits = ""
    for one in run_state.evaluations[-MOST_ROWS:]:
        if splits != (splits := f"{one.train_split} -> {one.test_split}"):
            lines.append(ActivityLine(safe(splits, 300), "day"))
        lines.append(ActivityLine(_evaluation(one), "good" if id(one) in best else "plain"))
    if saved:
        lines.append(ActivityLine("evaluated again", "day"))
    for again in saved:
        note = safe(f"  {again.checkpoint}, {again.time}", 100)
        lines.append(ActivityLine(_evaluation(again.evaluation) + note))
    return tuple(lines)


def _evaluation(one: Evaluation) -> str:
    cells = (
        str(one.epoch),
        str(one.step),
        percent(one.knn_top1),
        percent(one.linear_top1),
        percent(one.linear_top5),
        percent(one.raw_pixels),
        duration(one.seconds),
    )
    return _row(cells) + ("  untrained" if one.step == 0 else "")


def _row(cells: tuple[str, ...]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _COLUMNS, strict=True))


def config_as_lines(config: MarkedConfig) -> tuple[ActivityLine, ...]:
    """The configuration; options that differ from the preset have a star and the preset's value."""
    return tuple(
        ActivityLine(f"* {line.text}   (preset: {line.preset})", "marked")
        if line.preset
        else ActivityLine(f"  {line.text}")
        for line in config.lines
    )
