"""Evaluations and the configuration as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from wmse_tui.runs.log.activity import ActivityLine
from wmse_tui.runs.log.events import Evaluation
from wmse_tui.runs.marked_config import MarkedConfig
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.saved_evaluations import SavedEvaluation
from wmse_tui.runs.state.transfer_results import SavedTransfer, TransferResult
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.runs.text.transfer_terms import interval_text, transfer_terms
from wmse_tui.runs.text.units import duration, number, percent, percentage

MOST_ROWS = 1000
_COLUMNS = (6, 8, 10, 10, 10, 10, 8)
_TRANSFER_COLUMNS = (24, 8, 11, 8, 8)
_SHOTS = (1, 5, 10)
_FEW_COLUMNS = (24, 8, 8, 8, 8, 8, 7)
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


def transfer_as_lines(saved: Sequence[SavedTransfer]) -> tuple[ActivityLine, ...]:
    """The newest transfer to each set, in percent, and what the numbers are."""
    if not saved:
        return ()
    results = [one.result for one in saved]
    rows: list[tuple[tuple[str, ...], tuple[int, ...]]] = []
    rows += [(("", "linear", "95 %", "5-NN", "20-NN"), _TRANSFER_COLUMNS)]
    rows += [(_probe_cells(result), _TRANSFER_COLUMNS) for result in results]
    rows += [(("  images a class", *map(str, _SHOTS), "ECE", "scaled", "temp."), _FEW_COLUMNS)]
    rows += [(_few_cells(result), _FEW_COLUMNS) for result in results]
    texts = [_aligned(cells, widths) for cells, widths in rows]
    texts += [
        f"  {_set_title(result)}, fine-tuned on {100 * each.share:.3g} % of the labels: "
        f"{percentage(each.score.value)}"
        for result in results
        for each in result.fine_tuned
    ]
    texts += [
        safe(
            f"  {one.result.title}: {one.result.train_split} -> {one.result.test_split}, "
            f"{one.checkpoint}, {one.time}",
            160,
        )
        for one in saved
    ]
    texts += [f"  {text}" for text in transfer_terms(results)]
    return (ActivityLine("transfer to other images, %", "day"), *map(ActivityLine, texts))


def _probe_cells(result: TransferResult) -> tuple[str, ...]:
    return (
        f"  {_set_title(result)}",
        percentage(result.linear.score.value),
        interval_text(result.linear.score),
        percentage(result.knn.score.value),
        percentage(result.weighted_knn.score.value),
    )


def _few_cells(result: TransferResult) -> tuple[str, ...]:
    few, calibration = {one.shots: one.score.value for one in result.few_shot}, result.calibration
    return (
        f"  {_set_title(result)}",
        *(percentage(few.get(shots)) for shots in _SHOTS),
        percentage(calibration.ece if calibration else None),
        percentage(calibration.ece_scaled if calibration else None),
        number(calibration.temperature if calibration else None, 3),
    )


def _set_title(result: TransferResult) -> str:
    star = " *" if result.metric == "mean_per_class" else ""
    return without_middle(safe(result.title), 22 - len(star)) + star


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first cell at the left, the others right-aligned."""
    (first, width), *others = zip(cells, widths, strict=True)
    return f"{first:<{width}}" + "".join(f"{cell:>{space}}" for cell, space in others)


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
