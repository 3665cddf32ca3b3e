"""The transfer of an encoder to other images, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wmse_tui.cli.table_text import aligned
from wmse_tui.runs.state.transfer_results import FineTuned, SavedTransfer, TransferResult
from wmse_tui.runs.text.transfer_terms import interval_text, mean_text, transfer_terms
from wmse_tui.runs.text.units import count, number, percentage

_HEADING = ("transfer (%)", "linear", "95 %", "5-NN", "20-NN weighted", "classes", "images")
_SHOTS = (1, 5, 10)
_FEW_HEADING = ("images a class (%)", *map(str, _SHOTS), "ECE", "scaled", "temperature")


def transfer_lines(results: Sequence[TransferResult]) -> list[str]:
    """Tables with a row for each set, in percent, and what their numbers are."""
    return [*_tables(results), *_notes(results)] if results else []


def _tables(results: Sequence[TransferResult]) -> list[str]:
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
    return lines


def saved_transfer_lines(saved: Sequence[SavedTransfer]) -> list[str]:
    """The same, and which checkpoints the results are of."""
    if not saved:
        return []
    results = [one.result for one in saved]
    times: dict[str, list[str]] = {}
    for one in saved:
        times.setdefault(one.checkpoint, []).append(one.time)
    origins = [f"of {checkpoint}, {max(found)}" for checkpoint, found in times.items()]
    return [*_tables(results), *origins, *_notes(results)]


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
    yield from transfer_terms(results)
    for result in results:
        if result.damaged:
            yield f"{result.title}: {count(result.damaged, 'image')} left out: unreadable"
