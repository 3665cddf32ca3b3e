"""A comparison as a file: CSV and JSON for programs, Markdown and LaTeX for people.

Programs get fractions and seconds, and the headings say so; people get percent with two decimals, and
durations as text beside the seconds. The text of a run is escaped for the reader of each format: what
a spreadsheet would evaluate as a formula, what would end a cell of a table.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import TypeAlias

from wmse_tui.runs.state.curves import Curve
from wmse_tui.runs.table.compare import Comparison, RepetitionGroup, Result, Setting, Spread, unlike
from wmse_tui.runs.table.latex import to_latex
from wmse_tui.runs.table.transfer_table import TransferCell, column_title, columns_json
from wmse_tui.runs.text.markdown import markdown_table, markdown_text
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import duration, percentage

Cell: TypeAlias = str | int | float | None

TRANSFER_CAPTION = (
    "Transfer: the linear probe on other images; a tie is no worse than the number of test images explains, "
    "* marks a mean per class:"
)

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_NUMBERS = {  # of a result and of a group: their columns in CSV
    "final_linear": "final_linear_fraction",
    "final_knn": "final_knn_fraction",
    "best_linear": "best_linear_fraction",
    "best_knn": "best_knn_fraction",
    "elapsed_seconds": "elapsed_seconds",
    "training_seconds": "training_seconds",
    "images_per_second": "images_per_second",
}
_FACTS = ("title", "preset", "method", "dataset", "seed", "state", "epoch", "epochs", "step", "final_epoch")
_MORE_FACTS = ("loss", "device", "host", "problem")
_RESULT_HEADING = (
    "run",
    "state",
    "seed",
    "epoch",
    "linear (%)",
    "k-NN (%)",
    "best linear (%)",
    "best k-NN (%)",
    "time",
    "images/s",
    "device",
)


def to_csv(comparison: Comparison) -> str:
    """One row for each run, then mean and standard deviation of runs that repeat each other (RFC 4180).

    Accuracies are fractions in [0, 1], and their headings say so. The options that differ are the columns
    `config.*`, empty where a run has no such option; the linear probes on other sets are `transfer.*`.
    """
    options = [f"config.{difference.key}" for difference in comparison.differences]
    sets = [f"transfer.{safe(column.set)}_fraction" for column in comparison.transfer]
    heading = ["row", "group", "n", "run", *_FACTS, *_NUMBERS.values(), *_MORE_FACTS, *options, *sets]
    group_of = {place: number for number, group in enumerate(comparison.groups, 1) for place in group.places}
    rows: list[list[Cell]] = []
    for place, result in enumerate(comparison.results):
        values = _result_values(result)
        facts = [values[name] for name in (*_FACTS, *_NUMBERS, *_MORE_FACTS)]
        settings = [_setting_cell(difference.settings[place]) for difference in comparison.differences]
        transfer = [column.cells[place] for column in comparison.transfer]
        scores = [None if cell is None else cell.score.value for cell in transfer]
        rows.append(["run", group_of.get(place), None, result.row.run_id, *facts, *settings, *scores])
    for number, group in enumerate(comparison.groups, 1):
        if len(group.completed) > 1:
            rows += _group_rows(number, group, len(heading))
    return _csv(heading, rows)


def to_json(comparison: Comparison) -> str:
    """Everything, as an object; accuracies are fractions in [0, 1] and times seconds."""
    values = {
        "v": 1,
        "units": {"accuracies": "fractions in [0, 1]", "times": "seconds"},
        "runs": [_result_values(result) for result in comparison.results],
        "differences": [asdict(difference) for difference in comparison.differences],
        "groups": [asdict(group) for group in comparison.groups],
    }
    if comparison.transfer:
        values["transfer"] = columns_json(comparison.transfer)
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def _result_values(result: Result) -> dict[str, Cell]:
    """The values of one run by their JSON keys, in the order of the file."""
    row = result.row
    return {
        "run_id": row.run_id,
        "path": row.path,
        "title": row.title,
        "preset": row.preset,
        "method": row.method,
        "dataset": row.dataset,
        "seed": row.seed,
        "state": row.status,
        "problem": result.config_problem,
        "epoch": row.epoch,
        "epochs": row.epochs,
        "step": row.step,
        "total_steps": result.total_steps,
        "loss": row.loss,
        "final_knn": row.final_knn,
        "final_linear": row.final_linear,
        "final_epoch": result.final_epoch,
        "best_knn": row.best_knn,
        "best_linear": row.best_linear,
        "elapsed_seconds": result.elapsed_seconds,
        "training_seconds": result.training_seconds,
        "images_per_second": result.images_per_second,
        "device": row.device,
        "host": row.host,
        "tested_on": result.tested_on,
        "test_fingerprint": result.test_fingerprint,
        "neighbours": result.neighbours,
    }


def to_markdown(comparison: Comparison) -> str:
    """Tables in GitHub's Markdown: results, options that differ, repetitions; accuracies in percent."""
    blocks = [markdown_table(_RESULT_HEADING, [_result_row(result) for result in comparison.results])]
    if why := unlike(comparison.results):
        blocks.append(f"Not comparable: {markdown_text(why)}.\n")
    if comparison.differences:
        heading = ["option", *(result.row.run_id for result in comparison.results)]
        rows = [[d.key, *(setting.text() or "-" for setting in d.settings)] for d in comparison.differences]
        blocks.append("Options that differ:\n\n" + markdown_table(heading, rows))
    repeated = [group for group in comparison.groups if len(group.runs) > 1]
    if repeated:
        heading = ["repetitions", "seeds", "completed", "linear (%)", "k-NN (%)"]
        rows = [_group_row(group) for group in repeated]
        caption = "Mean and sample standard deviation over the completed runs that differ in the seed only:"
        blocks.append(f"{caption}\n\n{markdown_table(heading, rows)}")
    if comparison.transfer:
        heading = ["transfer (%)", *map(column_title, comparison.transfer)]
        rows = [
            [result.row.run_id, *(_transfer_cell(column.cells[place]) for column in comparison.transfer)]
            for place, result in enumerate(comparison.results)
        ]
        blocks.append(f"{TRANSFER_CAPTION}\n\n{markdown_table(heading, rows)}")
    return "\n".join(blocks)


def _transfer_cell(cell: TransferCell | None) -> str:
    if cell is None:
        return percentage(None)
    mark = {"best": " (best)", "tie": " (tie)", "": ""}[cell.rank]
    return percentage(cell.score.value) + mark


def curves_csv(curves: Mapping[str, Sequence[Curve]], *, axis: str) -> str:
    """The points of the curves of each quantity, labelled with their runs, one a row (RFC 4180)."""
    rows: list[list[Cell]] = [
        [curve.label, quantity, axis, x, y]
        for quantity, drawn in curves.items()
        for curve in drawn
        for x, y in zip(curve.x, curve.y, strict=True)
    ]
    return _csv(["run", "quantity", "axis", "x", "y"], rows)


def _group_rows(number: int, group: RepetitionGroup, width: int) -> list[list[Cell]]:
    """Mean and standard deviation of a group under the columns of `to_csv`."""
    spreads = [getattr(group, name) for name in _NUMBERS]
    before: list[Cell] = [""] * (1 + len(_FACTS))
    after: list[Cell] = [""] * (width - 3 - len(before) - len(spreads))
    means = [spread.mean if spread is not None else None for spread in spreads]
    stds = [spread.std if spread is not None else None for spread in spreads]
    n = len(group.completed)
    return [["mean", number, n, *before, *means, *after], ["std", number, n, *before, *stds, *after]]


def _csv(heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(heading)
    writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _csv_cell(cell: Cell) -> str:
    """Numbers stay numbers; text that a spreadsheet would compute gets an apostrophe in front."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.9g}"
    if not isinstance(cell, str):
        return str(cell)
    text = safe(cell)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _setting_cell(setting: Setting) -> Cell:
    value = setting.value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return setting.text()


def _result_row(result: Result) -> list[str]:
    row = result.row
    accuracies = (row.final_linear, row.final_knn, row.best_linear, row.best_knn)
    seconds, speed = result.elapsed_seconds, result.images_per_second
    return [
        row.run_id,
        row.status,
        str(row.seed),
        f"{row.epoch}/{row.epochs or '?'}",
        *("-" if accuracy is None else f"{100 * accuracy:.2f}" for accuracy in accuracies),
        "-" if seconds is None else f"{seconds:.0f} s ({duration(seconds)})",
        "-" if speed is None else f"{speed:.0f}",
        row.device or "-",
    ]


def _group_row(group: RepetitionGroup) -> list[str]:
    return [
        ", ".join(group.runs),
        ", ".join(map(str, group.seeds)),
        f"{len(group.completed)} of {len(group.runs)}",
        *("-" if s is None else _plus_minus(s, "±") for s in (group.final_linear, group.final_knn)),
    ]


def _plus_minus(spread: Spread, sign: str) -> str:
    """A spread of fractions, in percent."""
    mean = f"{100 * spread.mean:.2f}"
    return mean if spread.std is None else f"{mean} {sign} {100 * spread.std:.2f}"


FORMATS: Mapping[str, Callable[[Comparison], str]] = MappingProxyType(
    {"csv": to_csv, "json": to_json, "markdown": to_markdown, "latex": to_latex}
)
