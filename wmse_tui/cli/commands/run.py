"""`wmse-tui run`: from a preset or a file to a trained and evaluated encoder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wmse_tui.cli.arguments import (
    After,
    Detach,
    Headless,
    JsonLines,
    Overrides,
    PresetName,
    Queue,
    RunsDir,
    Slurm,
    SlurmOptions,
)
from wmse_tui.cli.console import UserError, print_message
from wmse_tui.cli.exits import ExitCode

if TYPE_CHECKING:
    from wmse_tui.cli.start.start import StartOptions
    from wmse_tui.config.schema import Experiment
    from wmse_tui.runs.directory import RunDirectory


def run(
    preset: PresetName = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A configuration file.", show_default=False),
    ] = None,
    overrides: Overrides = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the run; a run of that name and configuration is resumed.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = None,
    headless: Headless = False,
    detach: Detach = False,
    json: JsonLines = False,
    queue: Queue = False,
    after: After = None,
    slurm: Slurm = False,
    slurm_options: SlurmOptions = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="KEY=V1,V2",
            help="Queue a run for each value; several make all combinations.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Do not ask before a sweep is queued, a job is submitted, or a run whose checkpoints are "
            "gone is trained again.",
        ),
    ] = False,
    log: Annotated[
        list[str] | None,
        typer.Option(
            "--log",
            metavar="TARGET",
            help="Publish the numbers: tensorboard, csv, wandb or mlflow, with options as in "
            "wandb:project=ssl; may be repeated.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Resume that run instead of starting a new one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train and evaluate an encoder, and follow it until it ends.

    Ctrl-C makes the trainer save and stop; a second Ctrl-C exits without waiting for that. With --queue the
    run waits for a free slot (a GPU, or the whole machine where there is none); add --headless to follow it.
    """
    from wmse_tui.cli.start.start import start_options
    from wmse_tui.config.loading import load_experiment

    options = start_options(
        headless=headless,
        detach=detach,
        as_json=json,
        queue=queue,
        after=after or [],
        slurm=slurm,
        slurm_options=slurm_options or [],
        yes=yes,
        runs_dir=runs_dir,
        publish=log or [],
    )
    if resume is not None:
        from wmse_tui.cli.locating import find_run
        from wmse_tui.cli.start.start import resume_run

        if preset or config or overrides or name or sweep:
            raise UserError(
                "--resume excludes --preset, --config, --set, --sweep and --name",
                "A run's configuration is frozen when it starts.",
                ("start a new run for another configuration",),
            )
        raise typer.Exit(resume_run(find_run(resume, runs_dir), options))
    _refuse_unclear(preset, config)
    hint = preset or (config.stem if config is not None else "")
    if sweep:
        if slurm:
            raise UserError(
                "--sweep and --slurm exclude each other",
                "A job trains one run.",
                ("submit each point: wmse-tui run --slurm --set optimizer.lr=0.001 ...",),
            )
        if headless:
            raise UserError(
                "--sweep and --headless exclude each other",
                "A sweep makes several runs; they wait in the queue and are not followed.",
                ("omit --headless", "watch one of them: wmse-tui attach RUN"),
            )
        raise typer.Exit(
            _sweep(
                sweep,
                options,
                preset,
                config,
                overrides or [],
                hint=hint,
                name=name,
                runs_dir=runs_dir,
            )
        )
    if yes and name is None and not slurm:
        raise UserError(
            "--yes needs --sweep, --slurm, --name or --resume", "Nothing is asked before a new run."
        )
    experiment = load_experiment(preset=preset, file=config, overrides=overrides or [])
    raise typer.Exit(
        run_experiment(experiment, options, preset=preset or "", hint=hint, name=name, runs_dir=runs_dir)
    )


def _sweep(
    sweeps: list[str],
    options: StartOptions,
    preset: str | None,
    config: Path | None,
    overrides: list[str],
    *,
    hint: str,
    name: str | None,
    runs_dir: Path | None,
) -> ExitCode:
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.cli.start.sweeping import run_sweep
    from wmse_tui.config.loading import load_experiment
    from wmse_tui.config.sweep import read_axes, read_grid

    axes = read_axes(sweeps, overrides)
    points = read_grid(
        axes, lambda settings: load_experiment(preset=preset, file=config, overrides=[*overrides, *settings])
    )
    return run_sweep(
        axes,
        points,
        root=runs_root(runs_dir),
        preset=preset or "",
        hint=hint,
        name=name,
        after=options.after,
        publish=options.publish,
        yes=options.yes,
        as_json=options.as_json,
    )


def _refuse_unclear(preset: str | None, config: Path | None) -> None:
    """Raise a UserError where it is not clear what to run."""
    if preset is None and config is None:
        raise UserError(
            "run needs a configuration",
            "",
            (
                "wmse-tui run --preset quickstart --headless",
                "wmse-tui presets lists the presets",
                "or give --config FILE",
            ),
        )
    if preset is not None and config is not None:
        raise UserError(
            "--preset and --config exclude each other",
            "A file inherits from a preset with the line `extends: PRESET`.",
        )


def run_experiment(
    experiment: Experiment,
    options: StartOptions,
    *,
    preset: str,
    hint: str,
    name: str | None,
    runs_dir: Path | None,
) -> ExitCode:
    """Create a run of `experiment` (or resume the one called `name`), start its trainer and follow it.

    Args:
        experiment: the complete configuration.
        options: whether to queue and to follow, and what to print.
        preset: the preset it was made from, or "".
        hint: the beginning of the run's id where it has no name.
        name: the run's id, or None to generate one.
        runs_dir: the folder of runs; None: the default one.
    """
    from wmse_tui.cli.checks.before_start import warnings_before_start
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.cli.start.start import resume_named, start
    from wmse_tui.config.advice import advise
    from wmse_tui.config.loading import dump_experiment
    from wmse_tui.runs.directory import create_run
    from wmse_tui.runs.preflight import check_runs_dir, device_advice, gpu_count
    from wmse_tui.runs.state.config import with_preset

    root = runs_root(runs_dir)
    note = check_runs_dir(root)
    if note:
        print_message(f"note: {note}")
    existing = _existing(root, name)
    if existing is not None:
        return resume_named(existing, experiment, options)
    here = options.slurm is None
    for advice in (*advise(experiment), *(device_advice(experiment, gpus=gpu_count()) if here else ())):
        print_message(f"{advice.level}: {advice.path}: {advice.text}")
    if here:
        for finding in warnings_before_start(experiment, root):
            fix = f" -> {finding.fix}" if finding.fix else ""
            print_message(f"note: {finding.name}: {finding.text}{fix}")
        warn_of_unused_gpu(experiment)
    run = create_run(root, with_preset(dump_experiment(experiment), preset), name=name, preset_hint=hint)
    return start(run, options, fresh=True)


def warn_of_unused_gpu(experiment: Experiment) -> None:
    """Warn before a start that leaves the machine's GPU unused, and ask if the CPU would take long.

    Raises:
        Abort: the answer was no.
    """
    from wmse_tui.cli.checks.before_start import unusable_gpu
    from wmse_tui.config.figures import cpu_seconds
    from wmse_tui.runs.preflight import LONG_SECONDS
    from wmse_tui.runs.process.cores import available_cores
    from wmse_tui.runs.text.units import duration

    finding = unusable_gpu(experiment)
    if finding is None:
        return
    print_message(f"warning: compute.device: the GPU is {finding.text}")
    print_message(f"  - {finding.fix}")
    seconds = cpu_seconds(experiment, available_cores())
    if sys.stdin.isatty() and (seconds is None or seconds > LONG_SECONDS):
        took = "" if seconds is None else f", for about {duration(seconds)}"
        typer.confirm(f"Train on the CPU all the same{took}?", abort=True, err=True)


def _existing(root: Path, name: str | None) -> RunDirectory | None:
    from wmse_tui.runs.table.catalogue import list_runs

    return next((run for run in list_runs(root) if run.id == name), None) if name else None
