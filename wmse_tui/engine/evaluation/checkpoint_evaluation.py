"""`wmse-tui eval` in a process of its own: `python -m wmse_tui.engine.commands evaluate RUN|CHECKPOINT`.

It writes JSON lines (`engine/jsonl.py`). The result is also a file in the run's `evaluations` folder; the
run's log belongs to its trainer and is not touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import torchvision

from wmse_tui import __version__
from wmse_tui.config.rebindable import REBINDABLE
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.data_identity import DataIdentity
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.jsonl import ArgumentParser, Command, UsageError, progress_lines, run_command
from wmse_tui.engine.methods import move_to_device
from wmse_tui.engine.training.checkpoints import file_sha256
from wmse_tui.engine.training.device import choose_device, prepare
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.rebind import rebound
from wmse_tui.runs.run_folder import RunFolder, publish_file
from wmse_tui.runs.state.watch import view_run

from .interruption import Progress
from .probes import evaluate
from .trained_checkpoint import find_checkpoint, read_trained, run_experiment

FORMAT = 1

COMMAND = Command(
    name="evaluation",
    options=frozenset({"--knn", "--linear", "--device", "--set"}),
    wording={
        ", or remove it, then start the run again": " and evaluate again",  # only a trainer records its name
        "wmse-tui resume RUN --set": "wmse-tui eval RUN --set",
        "start a new run": "",
        "train on the CPU: --set compute.device=cpu": "--device cpu",
        "start the run again": "evaluate again",
        "new run with": "",  # another configuration is another encoder
        "or with a smaller schedule.batch_size": "",
    },
    keys=REBINDABLE,
)


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What to evaluate, and how; None: as in the run's configuration."""

    target: Path
    checkpoint: str | None = None
    knn: str | None = None
    linear: str | None = None
    device: str | None = None
    overrides: Sequence[str] = ()


def evaluation_command(arguments: Sequence[str]) -> int:
    """Evaluate according to the arguments; returns the exit code."""
    return run_command(
        COMMAND,
        lambda write: evaluate_checkpoint(parse_request(arguments), progress=progress_lines(write)),
    )


def parse_request(arguments: Sequence[str]) -> EvaluationRequest:
    """The request of a command line. Raises UsageError."""
    parser = ArgumentParser(prog="python -m wmse_tui.engine.commands evaluate", description=__doc__)
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
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="where the images are, and what else changes no number",
    )
    request = EvaluationRequest(**vars(parser.parse_args(arguments)))
    if request.device is not None and not re.fullmatch(r"auto|cpu|cuda(:\d+)?", request.device):
        raise UsageError(f"there is no device {request.device!r}", "it is auto, cpu, cuda or cuda:N")
    return request


def evaluate_checkpoint(request: EvaluationRequest, *, progress: Progress) -> dict[str, Any]:
    """Evaluate one checkpoint of a run, with its linear probe, and save the result in `evaluations`.

    Returns:
        The fields of the `evaluation` event and where they come from: run, checkpoint, sha256, device,
        versions, time. `damaged` counts images that cannot be read and are left out. `file` is the result's
        file, or `unsaved` the reason why there is none.

    Raises:
        EngineError, ConfigError: the run, its checkpoint, its data or the device cannot be used.
    """
    run, path = find_checkpoint(request.target, request.checkpoint)
    experiment = rebound(run_experiment(run), request.overrides, source=str(run.config))
    experiment = _with_probes(experiment, request)
    device = choose_device(request.device or experiment.compute.device)
    prepare(device.torch, deterministic=experiment.compute.deterministic)
    trained = read_trained(run, path, experiment)
    named = frozenset(file.name for file in view_run(run).damaged_files)
    data = load_data(experiment, progress=progress, named=named)
    if trained.data is not None:
        DataIdentity(data.sets()).require_same(trained.data, more=True)
    encoder = move_to_device(trained.method.encoder, device.torch)
    evaluation = evaluate(
        encoder,
        data,
        experiment,
        device.torch,
        epoch=trained.epoch,
        step=trained.step,
        final=True,
        progress=progress,
    )
    if evaluation is None:
        raise DataError(
            "nothing can be measured",
            "the data has no labelled images for training and testing a probe, or every probe is off",
            next=(
                "name labelled folders: --set dataset.probe_train=DIR --set dataset.probe_test=DIR",
                "add a probe: --linear adam",
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
        "damaged": sum(len(images.files) for images in data.damaged()),
    }
    return result | _save(run, path, result)


def _with_probes(experiment: Experiment, request: EvaluationRequest) -> Experiment:
    chosen = {"knn": request.knn, "linear": request.linear}
    changes = {name: value for name, value in chosen.items() if value is not None}
    return experiment.model_copy(update={"evaluation": experiment.evaluation.model_copy(update=changes)})


def _save(run: RunDirectory, checkpoint: Path, result: dict[str, Any]) -> dict[str, str]:
    """Write the result into the run; where that is not possible (another user's run) return the reason."""
    name = f"{checkpoint.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.json"
    path = run.evaluations / name
    try:
        with RunFolder(run.path, own=True) as folder:
            folder.make_folder(run.evaluations.name)
        publish_file(path, (json.dumps(result, indent=2) + "\n").encode())
    except OSError as error:
        return {"unsaved": f"{run.evaluations}: {error.strerror or error}"}
    return {"file": str(path)}
