"""The transfer of an encoder to other images, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wmse_tui.cli.table_text import aligned
from wmse_tui.runs.state.transfer_results import FineTuned, SavedTransfer, Score, TransferResult
from wmse_tui.runs.text.units import count, number, percentage

_HEADING = ("transfer (%)", "linear", "95 %", "5-NN", "20-NN weighted", "classes", "images")
_SHOTS = (1, 5, 10)
_FEW_HEADING = ("images a class (%)", *map(str, _SHOTS), "ECE", "scaled", "temperature")
PER_CLASS = "mean per class"


def transfer_lines(results: Sequence[TransferResult]) -> list[str]:
    """A table with a row for each set, in percent, and what is to be known of it."""
    if not results:
        return []
    lines = aligned([_HEADING, *(_cells(result) for result in results)], right=range(1, 6))
    measured = [result for result in results if result.few_shot or result.calibration]
    if measured:
        rows = [_FEW_HEADING, *map(_few_cells, measured)]
        lines += ["", *aligned(rows, right=range(1, len(_FEW_HEADING)))]
    tuned = [(result, each) for result in results for each in result.fine_tuned]
    if tuned:
        rows = [("fine-tuned on", "labels", "accuracy (%)", "95 %", "steps")]
        rows += [_tuned_cells(result, each) for result, each in tuned]
        lines += ["", *aligned(rows, right=range(1, 5))]
    return [*lines, *_notes(results)]


def saved_transfer_lines(saved: Sequence[SavedTransfer]) -> list[str]:
    """The same, and which checkpoints the results are of."""
    lines = transfer_lines([one.result for one in saved])
    times: dict[str, list[str]] = {}
    for one in saved:
        times.setdefault(one.checkpoint, []).append(one.time)
    return [*lines, *(f"of {checkpoint}, {max(found)}" for checkpoint, found in times.items())]


def interval_text(score: Score) -> str:
    """The interval of a score in percent: "70.1-72.5"."""
    return f"{100 * score.low:.1f}-{100 * score.high:.1f}"


def mean_text(score: Score | None) -> str:
    """A mean and half of its interval in percent: "41.20 ± 0.93"."""
    return percentage(None) if score is None else percentage(score.value, (score.high - score.low) / 2)


def _cells(result: TransferResult) -> tuple[str, ...]:
    return (
        result.title + (" *" if result.metric == "mean_per_class" else ""),
        percentage(result.linear.score.value),
        interval_text(result.linear.score),
        percentage(result.knn.score.value),
        percentage(result.weighted_knn.score.value),
        str(result.classes),
        f"{result.train_split} -> {result.test_split}",
    )


def _tuned_cells(result: TransferResult, tuned: FineTuned) -> tuple[str, str, str, str, str]:
    return (
        result.title + (" *" if result.metric == "mean_per_class" else ""),
        f"{100 * tuned.share:.3g} % ({tuned.images:,})",
        percentage(tuned.score.value),
        interval_text(tuned.score),
        str(tuned.steps),
    )


def _few_cells(result: TransferResult) -> tuple[str, ...]:
    few = {one.shots: one.score for one in result.few_shot}
    calibration = result.calibration
    return (
        result.title + (" *" if result.metric == "mean_per_class" else ""),
        *(mean_text(few.get(shots)) for shots in _SHOTS),
        percentage(calibration.ece if calibration else None),
        percentage(calibration.ece_scaled if calibration else None),
        number(calibration.temperature if calibration else None, 3),
    )


def _notes(results: Sequence[TransferResult]) -> Iterator[str]:
    if any(result.metric == "mean_per_class" for result in results):
        yield f"* {PER_CLASS}"
    for result in results:
        if result.damaged:
            yield f"{result.title}: {count(result.damaged, 'image')} left out: unreadable"
