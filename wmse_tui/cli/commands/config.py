"""`wmse-tui config`: the JSON Schema of a configuration, and a check of configuration files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from wmse_tui.cli.exception_handler import CommandGroup
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.typer_app import TyperApp

app = TyperApp(
    cls=CommandGroup,
    help="Print the schema of configurations, or check files.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.command()
def schema() -> None:
    """Print the JSON Schema of configurations.

    An editor with this schema completes and checks YAML.
    """
    from wmse_tui.config.json_schema import experiment_json_schema

    sys.stdout.write(json.dumps(experiment_json_schema(), indent=2) + "\n")


@app.command()
def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)
    ],
) -> None:
    """Check configuration files.

    Every problem is printed with its line; the exit code is 2 if there is one.
    """
    from wmse_tui.cli.console import print_message
    from wmse_tui.config.advice import advise
    from wmse_tui.config.loading import load_experiment
    from wmse_tui.config.problems import ConfigError
    from wmse_tui.runs.text.sanitize import safe

    wrong = False
    for file in files:
        try:
            experiment = load_experiment(file=file)
        except ConfigError as error:
            wrong = True
            for problem in error.problems:
                print_message(problem.text())
            continue
        for advice in advise(experiment):
            print_message(f"{file}: {advice.level}: {advice.path}: {advice.text}")
        sys.stdout.write(safe(f"{file}: valid") + "\n")
    if wrong:
        raise typer.Exit(ExitCode.USAGE)
