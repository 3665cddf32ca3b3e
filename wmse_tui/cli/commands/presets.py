"""`wmse-tui presets`: which experiments come with the program, and what stands in one."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Annotated

import typer

from wmse_tui.cli.exception_handler import CommandGroup
from wmse_tui.cli.parameters import Json

app = typer.Typer(
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


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A preset.", show_default=False)],
    json: Json = False,
) -> None:
    """Print a preset whole.

    It is one configuration with everything it inherits and every default.
    """
    from wmse_tui.config.loading import dump_experiment, load_experiment

    experiment = load_experiment(preset=name)
    if json:
        sys.stdout.write(experiment.model_dump_json(indent=2) + "\n")
    else:
        sys.stdout.write(dump_experiment(experiment))


def _list(*, as_json: bool) -> None:
    from wmse_tui.config.loading import preset_names
    from wmse_tui.runs.text.sanitize import safe

    rows = [_row(name) for name in preset_names()]
    if as_json:
        sys.stdout.write(jsonlib.dumps(rows, indent=2) + "\n")
        return
    width = max((len(str(row["name"])) for row in rows), default=4)
    sys.stdout.write(f"{'name':{width}}  linear    5-NN  title\n")
    for row in rows:
        linear, knn = ("-" if row[key] is None else f"{row[key]:.2f}" for key in ("linear", "knn"))
        title = row["title"] or row["problem"] or ""
        if str(row["note"] or "").startswith("unverified"):
            title = f"{title} (its published number is unverified)"
        sys.stdout.write(safe(f"{row['name']:{width}}  {linear:>6}  {knn:>6}  {title}") + "\n")


def _row(name: str) -> dict[str, str | float | None]:
    """What the list says of one preset; a broken one is listed with its problem, beside the others."""
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
