"""The evaluation of a checkpoint in a process of its own: JSON lines on stdout, and one file for the result.

Each line is one object: {"progress": {"name", "done", "total", "unit"}} any number of times, then either
{"result": {...}} with exit code 0 or {"error": {"code", "title", "detail", "next"}} with exit code 1. The
result is also a file in the run's `evaluations` folder; the run's log belongs to its trainer and is not
touched.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TextIO

import torch
import torchvision

from wmse_tui import __version__
from wmse_tui.config.atomic import publish
from wmse_tui.config.loading import parse_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.catalogue import load_data
from wmse_tui.engine.errors import CheckpointError, DataError, EngineError
from wmse_tui.engine.methods import build_method, place
from wmse_tui.engine.training.checkpoints import file_sha256, read_checkpoint, step_checkpoints
from wmse_tui.engine.training.device import choose_device, prepare
from wmse_tui.engine.training.failures import describe
from wmse_tui.runs.directory import RunDirectory

from .interruption import Progress
from .probes import evaluate

FORMAT = 1
PROGRESS_SECONDS = 0.2

Say = Callable[[dict[str, Any]], None]


class UsageError(EngineError):
    """The command line makes no sense."""

    code = "E_USAGE"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be evaluated, and how; None means as the run's configuration says."""

    target: Path
    checkpoint: str | None = None
    knn: str | None = None
    linear: str | None = None
    device: str | None = None


def main(arguments: Sequence[str]) -> int:
    """Evaluate as the arguments say; returns the exit code."""
    stdout = sys.stdout

    def say(value: dict[str, Any]) -> None:
        _write_line(stdout, value)

    try:
        with redirect_stdout(sys.stderr):  # whatever a library prints is no data
            result = evaluate_checkpoint(parse_request(arguments), progress=throttled(say))
        say({"result": result})
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody listens any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  the border: every failure becomes one object
        say({"error": explain(error)})
        return 1
    return 0


def parse_request(arguments: Sequence[str]) -> Request:
    """The request of a command line. Raises UsageError."""
    parser = _Parser(prog="python -m wmse_tui.engine.evaluate", description=__doc__)
    parser.add_argument(
        "target", type=Path, metavar="RUN|CHECKPOINT", help="a run's directory or a checkpoint file"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="best|final|last|FILE",
        help="of a run; else final, best or last, whichever is there",
    )
    parser.add_argument("--knn", choices=("euclidean", "cosine", "off"))
    parser.add_argument("--linear", choices=("adam", "lbfgs", "off"))
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N")
    request = Request(**vars(parser.parse_args(arguments)))
    if request.device is not None and not re.fullmatch(r"auto|cpu|cuda(:\d+)?", request.device):
        raise UsageError(f"there is no device {request.device!r}", "it is auto, cpu, cuda or cuda:N")
    return request


def evaluate_checkpoint(request: Request, *, progress: Progress) -> dict[str, Any]:
    """Evaluate one checkpoint of a run, with its linear probe, and keep the result in `evaluations`.

    Returns:
        The fields of the `evaluation` event and where they come from: run, checkpoint, sha256, device,
        versions, time. `file` is the result's file, or `unsaved` says why there is none.

    Raises:
        EngineError, ConfigError: the run, its checkpoint, its data or the device cannot be used.
    """
    run, path = find_checkpoint(request)
    experiment = _with_probes(parse_experiment(_config_text(run), str(run.config)), request)
    device = choose_device(request.device or experiment.compute.device)
    prepare(device.torch, deterministic=experiment.compute.deterministic)
    state = read_checkpoint(path)
    method = build_method(experiment)
    try:
        method.load_state_dict(state["method"])
        epoch, step = int(state["position"]["epoch"]), int(state["position"]["step"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit the run's configuration",
            _first_lines(error),
            next=("take a checkpoint from this run's own checkpoints folder",),
        ) from error
    data = load_data(experiment, progress=progress)
    encoder = place(method.encoder, device.torch)
    evaluation = evaluate(
        encoder, data, experiment, device.torch, epoch=epoch, step=step, final=True, progress=progress
    )
    if evaluation is None:
        raise DataError(
            "nothing can be measured",
            "the data has no labelled images for training and testing a probe, or every probe is off",
            next=(
                "name labelled folders: dataset.probe_train and dataset.probe_test",
                "ask for a probe: --linear adam",
            ),
        )
    result = {
        "v": FORMAT,
        "run": run.id,
        "checkpoint": path.name,
        "sha256": file_sha256(path),
        "device": device.name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "wmse_tui": __version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        **asdict(evaluation),
    }
    return result | _keep(run, path, result)


def find_checkpoint(request: Request) -> tuple[RunDirectory, Path]:
    """The run and the checkpoint file that a request means. Raises CheckpointError, UsageError."""
    target = request.target.expanduser().absolute()
    if target.is_dir():
        run = RunDirectory(target)
        if not run.config.is_file():
            raise CheckpointError(
                f"{target} is no run", "it has no config.yaml", next=("`wmse-tui runs` lists the runs",)
            )
        return run, _of_run(run, request.checkpoint)
    if request.checkpoint is not None:
        raise UsageError(
            "--checkpoint chooses among the checkpoints of a run", f"{target} is no run's directory"
        )
    if not target.is_file():
        raise CheckpointError(f"there is no {target}", "neither a run nor a checkpoint has this path")
    run = RunDirectory(target.parent.parent)
    if not run.config.is_file():
        raise CheckpointError(
            f"{target} belongs to no run",
            f"a checkpoint is read with its run's configuration, and {run.config} does not exist",
            next=("leave it in the run's checkpoints folder",),
        )
    return run, target


def explain(error: BaseException) -> dict[str, Any]:
    """The error object of an exception: code, title, detail, next. A traceback of ours goes to stderr."""
    event = describe(error, saved="", stage="start")
    if event.code == "E_INTERNAL" and not isinstance(error, EngineError):
        traceback.print_exception(error, file=sys.stderr)
        title = f"the evaluation failed: {type(error).__name__}"
        return {"code": event.code, "title": title, "detail": event.detail, "next": []}
    steps = [
        step.replace("train on the CPU: --set compute.device=cpu", "--device cpu") for step in event.next
    ]
    if isinstance(error, CheckpointError) and event.title.endswith("is damaged"):
        steps = ["measure another one: wmse-tui eval FILE (`wmse-tui show RUN` lists the run's checkpoints)"]
    return {"code": event.code, "title": event.title, "detail": event.detail, "next": steps}


def throttled(say: Say, *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress as lines: the first and the last of each part, and in between a few a second."""
    last_name, last_time = "", float("-inf")

    def progress(name: str, done: float, total: float, unit: str) -> None:
        nonlocal last_name, last_time
        now = clock()
        if name != last_name or done == total or now - last_time >= PROGRESS_SECONDS:
            last_name, last_time = name, now
            say({"progress": {"name": name, "done": done, "total": total, "unit": unit}})

    return progress


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError("the command line makes no sense", message)


def _write_line(stream: TextIO, value: dict[str, Any]) -> None:
    stream.write(json.dumps(value) + "\n")
    stream.flush()


def _of_run(run: RunDirectory, wanted: str | None) -> Path:
    steps = step_checkpoints(run.checkpoints)
    named = {name: run.checkpoints / f"{name}.pt" for name in ("final", "best")}
    if wanted is None:
        candidates = [*named.values(), *steps[-1:]]
    elif wanted == "last":
        candidates = steps[-1:]
    else:
        candidates = [named.get(wanted, run.checkpoints / wanted)]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        there = ", ".join(sorted(path.name for path in run.checkpoints.glob("*.pt"))) or "none"
        raise CheckpointError(
            f"run {run.id} has no {'checkpoint' if wanted is None else f'checkpoint {wanted!r}'}",
            f"in its checkpoints folder: {there}",
            next=("wait for the trainer's first checkpoint, or `wmse-tui resume` the run",),
        )
    return found


def _config_text(run: RunDirectory) -> str:
    try:
        return run.config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{run.config} cannot be read", str(error)) from error


def _with_probes(experiment: Experiment, request: Request) -> Experiment:
    chosen = {"knn": request.knn, "linear": request.linear}
    changes = {name: value for name, value in chosen.items() if value is not None}
    return experiment.model_copy(update={"evaluation": experiment.evaluation.model_copy(update=changes)})


def _keep(run: RunDirectory, checkpoint: Path, result: dict[str, Any]) -> dict[str, str]:
    """Write the result into the run; one that cannot be written to (somebody else's) still gives it."""
    name = f"{checkpoint.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.json"
    path = run.evaluations / name
    try:
        run.evaluations.mkdir(mode=0o700, exist_ok=True)
        publish(path, (json.dumps(result, indent=2) + "\n").encode())
    except OSError as error:
        return {"unsaved": f"{run.evaluations}: {error.strerror or error}"}
    return {"file": str(path)}


def _first_lines(error: BaseException) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__
