"""The arguments and options that several commands share, each defined and described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wmse_tui.cli.completion import complete_override, complete_preset, complete_run

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: its id, a unique beginning of the id, `last`, or a path.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN",
        help="Runs: ids, unique beginnings of ids, `last`, or paths.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
RunOrCheckpoint = Annotated[
    str,
    typer.Argument(
        metavar="RUN|CHECKPOINT",
        help="A run (its final or best checkpoint is used) or a checkpoint file.",
        show_default=False,
    ),
]
RunsDir = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir",
        metavar="DIR",
        help="The folder of runs (default: WMSE_TUI_RUNS, or the XDG data folder).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per event, and a summary at the end.")
]
Headless = Annotated[bool, typer.Option("--headless", help="Follow the run here, without the app.")]
Queue = Annotated[
    bool,
    typer.Option("--queue", help="Queue the run: it starts when a slot is free. Return at once."),
]
Slurm = Annotated[
    bool,
    typer.Option(
        "--slurm", help="Submit the run as a job of SLURM, which requeues itself at its time limit."
    ),
]
SlurmOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm-option",
        metavar="KEY=VALUE",
        help="An option of sbatch, as in partition=gpu or time=24:00:00; may be repeated.",
        show_default=False,
    ),
]
After = Annotated[
    list[str] | None,
    typer.Option(
        "--after",
        metavar="RUN",
        help="Queue the run behind that one, which must complete first; may be repeated.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", "-y", help="Do not ask before a run whose checkpoints are gone is trained again from step 0."
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Start the run, print its id and return at once.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one option, as in optimizer.lr=1e-3; may be repeated.",
        autocompletion=complete_override,
        show_default=False,
    ),
]
MachineOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Give anew what changes no number: dataset.root and other folders, dataset.on_damaged, "
        "compute.device, compute.devices, compute.workers; may be repeated.",
        show_default=False,
    ),
]
PresetArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A preset.", autocompletion=complete_preset, show_default=False),
]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="A preset; `wmse-tui presets` lists them.",
        autocompletion=complete_preset,
        show_default=False,
    ),
]
