"""`wmse-tui compare`: several runs side by side, as a table or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wmse_tui.cli.arguments import Runs, RunsDir
from wmse_tui.cli.table_text import aligned

if TYPE_CHECKING:
    from wmse_tui.runs.table.compare import Comparison, Spread

Format = Literal["table", "csv", "json", "markdown", "latex"]


def compare(
    run: Runs,
    format: Annotated[  # noqa: A002 (the name of the option)
        Format,
        typer.Option("--format", "-f", help="Format; csv and json have fractions, the others percent."),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead of stdout.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Compare runs: their results, and the options that differ.

    Runs of one configuration with different seeds also get their mean and sample standard deviation.
    """
    from wmse_tui.cli.console import UserError, print_message
    from wmse_tui.cli.locating import find_run
    from wmse_tui.config.locations import expanded
    from wmse_tui.runs.errors import OutputExists
    from wmse_tui.runs.output import write_output
    from wmse_tui.runs.state.config import read_configuration
    from wmse_tui.runs.state.transfer_results import read_transfer
    from wmse_tui.runs.state.watch import view_run
    from wmse_tui.runs.table.compare import Subject
    from wmse_tui.runs.table.compare import compare as comparison_of
    from wmse_tui.runs.table.comparison_file import FORMATS

    found = {directory.path: directory for directory in (find_run(text, runs_dir) for text in run)}
    subjects = [
        Subject(view_run(directory), read_configuration(directory), read_transfer(directory))
        for directory in found.values()
    ]
    comparison = comparison_of(subjects)
    text = (
        "\n".join(comparison_table(comparison)) + "\n" if format == "table" else FORMATS[format](comparison)
    )
    if output is None:
        sys.stdout.write(text)
        return
    path = expanded(output)
    try:
        write_output(path, text, overwrite=force)
    except OutputExists as error:
        raise UserError(error.title, error.detail, ("choose another name", "replace it: --force")) from None
    print_message(f"written: {path}")


def comparison_table(comparison: Comparison) -> list[str]:
    """Return the comparison as sanitised lines: results, options that differ, repetitions."""
    from wmse_tui.runs.table.compare import unlike

    lines = _results(comparison)
    if why := unlike(comparison.results):
        lines.append(f"not comparable: {why}")
    for result in comparison.results:
        if result.config_problem:
            lines.append(
                f"{result.row.run_id}: its configuration cannot be compared: {result.config_problem}"
            )
    if comparison.differences:
        rows = [["option", *(result.row.run_id for result in comparison.results)]]
        rows += [[d.key, *(setting.text() or "-" for setting in d.settings)] for d in comparison.differences]
        lines += ["", *aligned(rows)]
    repeated = [group for group in comparison.groups if len(group.runs) > 1]
    if repeated:
        rows = [["repetitions", "seeds", "completed", "linear", "k-NN"]]
        for group in repeated:
            rows.append(
                [
                    ", ".join(group.runs),
                    ", ".join(map(str, group.seeds)),
                    f"{len(group.completed)} of {len(group.runs)}",
                    _plus_minus(group.final_linear),
                    _plus_minus(group.final_knn),
                ]
            )
        lines += ["", *aligned(rows)]
        copies = [run for group in repeated for run in group.copies]
        if copies:
            lines.append(f"not counted, because they are copies of others: {', '.join(copies)}")
    lines += _transfer(comparison)
    from wmse_tui.runs.text.sanitize import safe

    return [safe(line) for line in lines]


def _results(comparison: Comparison) -> list[str]:
    from wmse_tui.runs.text.units import duration, percent, rate

    rows = [
        ["run", "state", "epoch", "linear", "k-NN", "best linear", "best k-NN", "time", "speed", "device"]
    ]
    rows += [
        [
            result.row.run_id,
            result.row.status,
            f"{result.row.epoch}/{result.row.epochs or '?'}",
            percent(result.row.final_linear),
            percent(result.row.final_knn),
            percent(result.row.best_linear),
            percent(result.row.best_knn),
            duration(result.elapsed_seconds),
            rate(result.images_per_second),
            result.row.device or "-",
        ]
        for result in comparison.results
    ]
    return aligned(rows)


def _transfer(comparison: Comparison) -> list[str]:
    from wmse_tui.runs.table.transfer_table import column_title
    from wmse_tui.runs.text.units import percentage

    if not comparison.transfer:
        return []
    marks = {"best": "best ", "tie": "tie ", "": ""}
    rows = [["transfer (%)", *map(column_title, comparison.transfer)]]
    for place, result in enumerate(comparison.results):
        cells = [column.cells[place] for column in comparison.transfer]
        shown = [percentage(None) if c is None else marks[c.rank] + percentage(c.score.value) for c in cells]
        rows.append([result.row.run_id, *shown])
    others = [column.title for column in comparison.transfer if not column.same_images]
    notes = [f"not of the same images in all runs, so none is marked: {', '.join(others)}"] if others else []
    return ["", *aligned(rows, right=range(1, len(rows[0]))), *notes]


def _plus_minus(spread: Spread | None) -> str:
    from wmse_tui.runs.text.units import percent

    return percent(None) if spread is None else percent(spread.mean, spread.std)
