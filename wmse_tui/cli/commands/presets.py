"""`wmse-tui presets`: the experiments that come with the program and those of the user."""

from __future__ import annotations

import json as jsonlib
import sys

import typer

from wmse_tui.cli.arguments import Json, PresetArgument
from wmse_tui.cli.exception_handler import CommandGroup
from wmse_tui.cli.table_text import fitted, terminal_width
from wmse_tui.cli.typer_app import TyperApp

app = TyperApp(
    cls=CommandGroup,
    help="List the presets, or show one.",
    rich_markup_mode=None,
    invoke_without_command=True,
)


@app.callback()
def presets(context: typer.Context, json: Json = False) -> None:
    """List the presets, or show one."""
    if context.invoked_subcommand is None:
        _list(as_json=json)


@app.command("list")
def list_presets(json: Json = False) -> None:
    """List the presets and the numbers they reproduce."""
    _list(as_json=json)


@app.command("show")
def show_preset(
    name: PresetArgument,
    json: Json = False,
) -> None:
    """Print the complete configuration of a preset.

    It includes everything that the preset inherits, and every default.
    """
    from wmse_tui.config.loading import dump_experiment, load_experiment

    experiment = load_experiment(preset=name)
    if json:
        sys.stdout.write(experiment.model_dump_json(indent=2) + "\n")
    else:
        sys.stdout.write(dump_experiment(experiment))


def _list(*, as_json: bool) -> None:
    from wmse_tui.config.loading import preset_names

    rows = [_row(name) for name in preset_names()]
    if as_json:
        sys.stdout.write(jsonlib.dumps(rows, indent=2) + "\n")
        return
    table = [("name", "linear", "5-NN", "title"), *map(_cells, rows)]
    for line in fitted(table, right=(1, 2), most=terminal_width()):
        sys.stdout.write(line + "\n")


def _cells(row: dict[str, str | float | None]) -> tuple[str, str, str, str]:
    linear, knn = ("-" if row[key] is None else f"{row[key]:.2f}" for key in ("linear", "knn"))
    title = str(row["title"] or row["problem"] or "")
    if str(row["note"] or "").startswith("unverified"):
        title = f"{title} (its published number is unverified)"
    return str(row["name"]), linear, knn, title


def _row(name: str) -> dict[str, str | float | None]:
    """The row of one preset; a broken one is listed with its problem, beside the others."""
    from wmse_tui.config.loading import find_preset
    from wmse_tui.config.problems import ConfigError

    empty: dict[str, str | float | None] = dict.fromkeys(
        ("title", "linear", "knn", "note", "path", "origin", "problem")
    )
    try:
        preset = find_preset(name)
    except ConfigError as error:
        return {"name": name, **empty, "problem": error.problems[0].text()}
    paper = preset.experiment.paper
    known = {"title": preset.experiment.title, "path": str(preset.file), "origin": preset.origin}
    published = {"linear": paper.linear, "knn": paper.knn, "note": paper.note} if paper is not None else {}
    return {"name": name, **empty, **known, **published}
