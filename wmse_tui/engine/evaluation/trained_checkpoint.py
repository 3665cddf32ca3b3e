"""A checkpoint that is used after training: found in its run, read, and put into its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.errors import CheckpointError
from wmse_tui.engine.jsonl import UsageError
from wmse_tui.engine.methods import Method, build_method
from wmse_tui.engine.training.checkpoints import read_checkpoint, step_checkpoints
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.run_folder import RunFolder
from wmse_tui.runs.state.config import load_configuration


@dataclass(frozen=True, slots=True)
class TrainedCheckpoint:
    """The networks of a run as a checkpoint has them, on the CPU, and the epochs and steps behind them.

    `data` is its record of the images (`DataIdentity.state`); None in one of an early version.
    """

    run: RunDirectory
    path: Path
    method: Method
    epoch: int
    step: int
    data: Mapping[str, Any] | None


def find_checkpoint(target: Path, name: str | None) -> tuple[RunDirectory, Path]:
    """The run and the checkpoint file that a command names.

    Args:
        target: a run's directory, or a checkpoint file in one.
        name: which checkpoint of a run: best, final, last or a file's name; None: final, best or last,
            whichever is there.

    Raises:
        CheckpointError: there is no such run or checkpoint.
        UsageError: a name beside a file.
    """
    target = target.expanduser().absolute()
    if target.is_dir():
        run = RunDirectory(target.resolve())
        if not run.config.is_file():
            raise CheckpointError(
                f"{target} is not a run",
                "it has no config.yaml",
                next=("`wmse-tui runs` lists the runs",),
            )
        return run, _of_run(run, name)
    if name is not None:
        raise UsageError(
            "--checkpoint chooses among the checkpoints of a run", f"{target} is not a run directory"
        )
    if not target.is_file():
        raise CheckpointError(f"there is no {target}", "neither a run nor a checkpoint has this path")
    run = RunDirectory(target.parent.parent.resolve())
    target = run.path / target.parent.name / target.name
    if not run.config.is_file():
        raise CheckpointError(
            f"{target} belongs to no run",
            f"a checkpoint is read with its run's configuration, and {run.config} does not exist",
            next=("leave it in the run's checkpoints folder",),
        )
    return run, target


def run_experiment(run: RunDirectory) -> Experiment:
    """The configuration of a run. Raises ConfigError, CheckpointError."""
    try:
        return load_configuration(run)
    except OSError as error:
        raise CheckpointError(f"{run.config} cannot be read", str(error)) from error


def read_trained(run: RunDirectory, path: Path, experiment: Experiment) -> TrainedCheckpoint:
    """Read the checkpoint at `path` into the networks of `experiment`.

    Raises:
        CheckpointError: it is damaged, foreign, or does not fit the configuration.
    """
    state = _read(path)
    method = build_method(experiment)
    try:
        method.load_state_dict(state["method"])
        epoch, step = int(state["position"]["epoch"]), int(state["position"]["step"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit the run's configuration",
            _first_lines(error),
            next=("choose a checkpoint from this run's own checkpoints folder",),
        ) from error
    return TrainedCheckpoint(run, path, method, epoch, step, state.get("data"))


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        if error.title.endswith("is damaged"):  # a trainer falls back to an older one, a command does not
            listed = "`wmse-tui show RUN` lists the run's checkpoints"
            error.next = (f"measure another one: wmse-tui eval FILE ({listed})",)
        raise


def _of_run(run: RunDirectory, name: str | None) -> Path:
    try:
        return _named_checkpoint(run, name)
    except OSError as error:
        steps = getattr(error, "next", ())
        raise CheckpointError(
            f"the checkpoints of run {run.id} cannot be read",
            f"{error.filename}: {error.strerror}",
            next=steps,
        ) from error


def _named_checkpoint(run: RunDirectory, name: str | None) -> Path:
    steps = step_checkpoints(run.checkpoints)
    named = {known: run.checkpoints / f"{known}.pt" for known in ("final", "best")}
    if name is None:
        candidates = [*named.values(), *steps[-1:]]
    elif name == "last":
        candidates = steps[-1:]
    else:
        candidates = [named.get(name, run.checkpoints / name)]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        there = ", ".join(sorted(_checkpoint_names(run))) or "none"
        raise CheckpointError(
            f"run {run.id} has no {'checkpoint' if name is None else f'checkpoint {name!r}'}",
            f"in its checkpoints folder: {there}",
            next=("wait for the trainer's first checkpoint, or `wmse-tui resume` the run",),
        )
    return found


def _checkpoint_names(run: RunDirectory) -> list[str]:
    with RunFolder(run.checkpoints) as folder:
        return [name for name in folder.names() if name.endswith(".pt")]


def _first_lines(error: BaseException) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__
