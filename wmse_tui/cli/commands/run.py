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
from wmse_tui.cli.completion import complete_override
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
            autocompletion=complete_override,
            help="Queue a run for each value, or submit it with --slurm; several make all combinations.",
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
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Make the run's directory, print its path and start nothing: torchrun or srun starts the "
            "trainers of that directory.",
        ),
    ] = False,
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
    if prepare and (headless or detach or queue or after or log or slurm):
        raise UserError(
            "--prepare excludes --headless, --detach, --queue, --after, --log and --slurm",
            "It starts nothing that could be followed.",
        )
    experiment = load_experiment(preset=preset, file=config, overrides=overrides or [])
    start = prepare_run if prepare else run_experiment
    raise typer.Exit(start(experiment, options, preset=preset or "", hint=hint, name=name, runs_dir=runs_dir))


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
        slurm=options.slurm,
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
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.cli.start.launched import become_rank, require_name
    from wmse_tui.cli.start.start import resume_named, start
    from wmse_tui.runs.directory import RunDirectory

    require_name(name)
    if name is not None:
        become_rank(RunDirectory(runs_root(runs_dir) / name), followed=options.followed)
    root, existing = _found(name, runs_dir)
    if existing is not None:
        return resume_named(existing, experiment, options)
    warn_before_start(experiment, root, here=options.slurm is None)
    return start(_created(experiment, root, preset, hint, name), options, fresh=True)


def prepare_run(
    experiment: Experiment,
    options: StartOptions,
    *,
    preset: str,
    hint: str,
    name: str | None,
    runs_dir: Path | None,
) -> ExitCode:
    """Create a run of `experiment`, or find the one called `name`, and print its path.

    Args:
        experiment, preset, hint, name, runs_dir: as of `run_experiment`.
        options: whether to print JSON.
    """
    from wmse_tui.cli.console import print_data
    from wmse_tui.cli.follow.jsonlines import write_object
    from wmse_tui.runs.ownership import require_own
    from wmse_tui.runs.state.configuration_check import require_same_configuration

    root, run = _found(name, runs_dir)
    if run is None:
        warn_before_start(experiment, root)
        run = _created(experiment, root, preset, hint, name)
    else:
        require_own(run)
        require_same_configuration(run, experiment)
    if options.as_json:
        write_object({"type": "prepared", "run": run.id, "path": str(run.path)})
    else:
        print_data(str(run.path))
    return ExitCode.COMPLETED


def _found(name: str | None, runs_dir: Path | None) -> tuple[Path, RunDirectory | None]:
    """The folder of runs, and the run of that name in it."""
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.runs.preflight import check_runs_dir

    root = runs_root(runs_dir)
    note = check_runs_dir(root)
    if note:
        print_message(f"note: {note}")
    return root, _existing(root, name)


def _created(experiment: Experiment, root: Path, preset: str, hint: str, name: str | None) -> RunDirectory:
    from wmse_tui.config.image_folder import beginning_of_id
    from wmse_tui.config.loading import dump_experiment
    from wmse_tui.runs.directory import create_run
    from wmse_tui.runs.state.config import with_preset

    text = with_preset(dump_experiment(experiment), preset)
    return create_run(root, text, name=name, preset_hint=beginning_of_id(experiment, hint))


def warn_before_start(experiment: Experiment, root: Path, *, here: bool = True) -> None:
    """Print what is unwise in a new run, and what of the machine could end it.

    Args:
        experiment: of the run.
        root: the folder of runs.
        here: whether this machine trains it.

    Raises:
        Abort: the user does not want to train on the CPU.
    """
    from wmse_tui.cli.checks.before_start import warnings_before_start
    from wmse_tui.config.advice import advise
    from wmse_tui.config.presence import count_own_images, with_own_images
    from wmse_tui.runs.preflight import device_advice, gpu_count

    found = list(advise(experiment))
    if here:
        gpus, counted = gpu_count(), with_own_images(experiment, count_own_images(experiment.dataset))
        found += device_advice(counted, gpus=gpus, seconds=_expected_seconds(counted, root, gpus=gpus))
    for advice in found:
        print_message(f"{advice.level}: {advice.path}: {advice.text}")
    if not here:
        return
    for finding in warnings_before_start(experiment, root):
        fix = f" -> {finding.fix}" if finding.fix else ""
        print_message(f"note: {finding.name}: {finding.text}{fix}")
    warn_of_unused_gpu(counted, root)


def _expected_seconds(experiment: Experiment, root: Path | None, *, gpus: int) -> float | None:
    """How long the run takes on this machine's CPU; None: unknown, or a GPU trains it.

    The runs under `root` are read only where they may decide whether that is long.
    """
    from wmse_tui.runs.preflight import LONG_SECONDS, cpu_forecast
    from wmse_tui.runs.table.estimate import forecast, runs_of_this_machine

    rough = cpu_forecast(experiment, gpus=gpus)
    if rough is None or rough < LONG_SECONDS / 10 or root is None:
        return rough
    expected = forecast(experiment, runs_of_this_machine(root), gpus=gpus)
    return rough if expected is None else expected.seconds


def warn_of_unused_gpu(experiment: Experiment, root: Path | None = None) -> None:
    """Warn before a start that leaves the machine's GPU unused, and ask if the CPU would take long.

    Args:
        experiment: with the number of its images where that is known.
        root: the folder of runs, whose times show how long it takes; None: by the size of its steps.

    Raises:
        Abort: the answer was no.
    """
    from wmse_tui.cli.checks.before_start import unusable_gpu
    from wmse_tui.runs.preflight import LONG_SECONDS
    from wmse_tui.runs.text.units import duration

    finding = unusable_gpu(experiment)
    if finding is None:
        return
    print_message(f"warning: compute.device: the GPU is {finding.text}")
    print_message(f"  - {finding.fix}")
    seconds = _expected_seconds(experiment, root, gpus=0)
    if sys.stdin.isatty() and (seconds is None or seconds > LONG_SECONDS):
        took = "" if seconds is None else f", for about {duration(seconds)}"
        typer.confirm(f"Train on the CPU all the same{took}?", abort=True, err=True)


def _existing(root: Path, name: str | None) -> RunDirectory | None:
    from wmse_tui.runs.table.catalogue import runs_by_id

    return runs_by_id(root).get(name) if name else None
