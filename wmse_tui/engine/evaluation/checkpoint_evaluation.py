"""`wmse-tui eval` in a process of its own: `python -m wmse_tui.engine.commands evaluate RUN|CHECKPOINT`.

It writes JSON lines (`engine/jsonl.py`). The result is also a file in the run's `evaluations` folder; the
run's log belongs to its trainer and is not touched. The encoder is measured on the images of its run or, with
`--transfer`, on other sets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import torchvision

from wmse_tui import __version__
from wmse_tui.config.rebindable import REBINDABLE
from wmse_tui.config.schema import Experiment
from wmse_tui.config.transfer_sets import FINE_TUNE_STEPS, fine_tune_percents, transfer_sets
from wmse_tui.engine.data.data_identity import DataIdentity
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.transfer_images import load_transfer_images
from wmse_tui.engine.errors import DataError, EngineError
from wmse_tui.engine.evaluation.transfer_measures import (
    FrozenEncoder,
    measure,
    set_features,
    transfer_geometry,
)
from wmse_tui.engine.jsonl import ArgumentParser, Command, UsageError, progress_lines, run_command
from wmse_tui.engine.methods import move_to_device
from wmse_tui.engine.training.checkpoints import file_sha256
from wmse_tui.engine.training.device import ChosenDevice, choose_device, prepare
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.rebind import rebound
from wmse_tui.runs.run_folder import RunFolder, publish_file
from wmse_tui.runs.state.transfer_results import KEY as TRANSFER
from wmse_tui.runs.state.transfer_results import TransferResult, transfer_json
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.text.messages import PHASES

from .feature_cache import FeatureCache
from .fine_tuning import fine_tune
from .interruption import Progress
from .probes import evaluate
from .trained_checkpoint import TrainedCheckpoint, find_checkpoint, read_trained, run_experiment

FORMAT = 1

COMMAND = Command(
    name="evaluation",
    options=frozenset({"--knn", "--linear", "--device", "--set", "--transfer", "--fine-tune"}),
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
    """What to evaluate, and how; None: as in the run's configuration.

    `transfer` names the sets that the encoder is transferred to, instead of the images of its run;
    `fine_tune` has the percents of their labels that it is also fine-tuned on, for so many steps.
    """

    target: Path
    checkpoint: str | None = None
    knn: str | None = None
    linear: str | None = None
    device: str | None = None
    overrides: Sequence[str] = ()
    transfer: Sequence[str] = ()
    fine_tune: str | None = None
    fine_tune_steps: int | None = None


def evaluation_command(arguments: Sequence[str]) -> int:
    """Evaluate according to the arguments; returns the exit code."""
    return run_command(
        COMMAND,
        lambda write: _evaluate(parse_request(arguments), progress=progress_lines(write)),
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
    parser.add_argument(
        "--transfer",
        action="append",
        default=[],
        metavar="SETS",
        help="measure on these sets instead: names and folders, commas between them",
    )
    parser.add_argument("--fine-tune", metavar="PERCENTS", help="of the labels, commas between them")
    parser.add_argument("--fine-tune-steps", type=int, metavar="STEPS")
    request = EvaluationRequest(**vars(parser.parse_args(arguments)))
    if request.device is not None and not re.fullmatch(r"auto|cpu|cuda(:\d+)?", request.device):
        raise UsageError(f"there is no device {request.device!r}", "it is auto, cpu, cuda or cuda:N")
    if request.transfer and (request.knn or request.linear):
        raise UsageError(
            "--knn and --linear choose the probes on the images of the run",
            "--transfer has probes of its own, which are the same for all runs",
            next=("leave them out, or leave out --transfer",),
        )
    if request.fine_tune and not request.transfer:
        raise UsageError(
            "--fine-tune needs images",
            "they are those of --transfer",
            next=("name a set: --transfer cifar10",),
        )
    if request.fine_tune_steps is not None and (not request.fine_tune or request.fine_tune_steps < 1):
        raise UsageError("--fine-tune-steps is the number of steps of --fine-tune, 1 or more")
    return request


def _evaluate(request: EvaluationRequest, *, progress: Progress) -> dict[str, Any]:
    if request.transfer:
        return transfer_checkpoint(request, progress=progress)
    return evaluate_checkpoint(request, progress=progress)


def evaluate_checkpoint(request: EvaluationRequest, *, progress: Progress) -> dict[str, Any]:
    """Evaluate one checkpoint of a run, with its linear probe, and save the result in `evaluations`.

    Returns:
        The fields of the `evaluation` event and where they come from: run, checkpoint, sha256, device,
        versions, time. `damaged` counts images that cannot be read and are left out. `file` is the result's
        file, or `unsaved` the reason why there is none.

    Raises:
        EngineError, ConfigError: the run, its checkpoint, its data or the device cannot be used.
    """
    prepared = _prepare(request)
    run, path, trained, device = prepared.run, prepared.path, prepared.trained, prepared.device
    experiment = _with_probes(prepared.experiment, request)
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
        **_about(prepared),
        **asdict(evaluation),
        "damaged": sum(len(images.files) for images in data.damaged()),
    }
    return result | _save(run, _file_name(path), result)


def transfer_checkpoint(request: EvaluationRequest, *, progress: Progress) -> dict[str, Any]:
    """Transfer the encoder of one checkpoint to other sets, and save the results in `evaluations`.

    They are saved after each set, so that an error with the next one loses nothing. The images of the run are
    not needed.

    Returns:
        Where the results come from, as of `evaluate_checkpoint`, with `epoch` and `step` of the checkpoint,
        and under `transfer` an object for each set (`runs.state.transfer_results`).

    Raises:
        EngineError, ConfigError: the run, its checkpoint, a set or the device cannot be used.
    """
    sets, percents = transfer_sets(request.transfer), fine_tune_percents(request.fine_tune)
    prepared = _prepare(request)
    trained, device, experiment = prepared.trained, prepared.device, prepared.experiment
    mean, std = experiment.dataset.normalisation()
    encoder = FrozenEncoder(
        network=move_to_device(trained.method.encoder, device.torch),
        device=device.torch,
        mean=mean,
        std=std,
        geometry=transfer_geometry(experiment),
        experiment=experiment,
    )
    about = {**_about(prepared), "epoch": trained.epoch, "step": trained.step}
    cache = FeatureCache(prepared.run, about["sha256"])
    name, result = _file_name(prepared.path), about
    saved: dict[str, str] = {}
    results: tuple[TransferResult, ...] = ()
    for one in sets:

        def report(part: str, done: float, total: float, unit: str, title: str = one.title) -> None:
            progress(f"{title}: {PHASES.get(part, part)}", done, total, unit)

        try:
            images = load_transfer_images(one, experiment.dataset, progress=report)
            features = set_features(encoder, images, cache, progress=report)
            found = measure(features, encoder.geometry, progress=report)
            fine_tuned = tuple(
                fine_tune(
                    encoder,
                    features.train,
                    features.test,
                    share=percent / 100,
                    steps=request.fine_tune_steps or FINE_TUNE_STEPS,
                    per_class=one.per_class,
                    progress=report,
                )
                for percent in percents
            )
            results = (*results, replace(found, fine_tuned=fine_tuned))
        except EngineError as error:
            error.next = _without_root(error.next)
            if "file" in saved:
                error.next = (*error.next, f"the sets before it are done: {saved['file']}")
            raise
        result = {**about, TRANSFER: transfer_json(results)}
        saved = _save(prepared.run, name, result)
    return result | saved


def _without_root(steps: tuple[str, ...]) -> tuple[str, ...]:
    """Next steps without `dataset.root`, which names the images of the run, not of a set."""
    named = (step.replace("dataset.root (or WMSE_TUI_DATA)", "WMSE_TUI_DATA") for step in steps)
    return tuple(step for step in named if "dataset.root" not in step)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A checkpoint that was read, the configuration of its run with the overrides, and the device."""

    run: RunDirectory
    path: Path
    experiment: Experiment
    trained: TrainedCheckpoint
    device: ChosenDevice


def _prepare(request: EvaluationRequest) -> _Prepared:
    run, path = find_checkpoint(request.target, request.checkpoint)
    experiment = rebound(run_experiment(run), request.overrides, source=str(run.config))
    device = choose_device(request.device or experiment.compute.first_device)
    prepare(device.torch, deterministic=experiment.compute.deterministic)
    return _Prepared(run, path, experiment, read_trained(run, path, experiment), device)


def _about(prepared: _Prepared) -> dict[str, Any]:
    return {
        "v": FORMAT,
        "run": prepared.run.id,
        "checkpoint": prepared.path.name,
        "sha256": file_sha256(prepared.path),
        "device": prepared.device.name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "wmse_tui": __version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    }


def _with_probes(experiment: Experiment, request: EvaluationRequest) -> Experiment:
    chosen = {"knn": request.knn, "linear": request.linear}
    changes = {name: value for name, value in chosen.items() if value is not None}
    return experiment.model_copy(update={"evaluation": experiment.evaluation.model_copy(update=changes)})


def _file_name(checkpoint: Path) -> str:
    return f"{checkpoint.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.json"


def _save(run: RunDirectory, name: str, result: dict[str, Any]) -> dict[str, str]:
    """Write the result into the run; where that is not possible (another user's run) return the reason."""
    path = run.evaluations / name
    try:
        with RunFolder(run.path, own=True) as folder:
            folder.make_folder(run.evaluations.name)
        publish_file(path, (json.dumps(result, indent=2) + "\n").encode())
    except OSError as error:
        return {"unsaved": f"{run.evaluations}: {error.strerror or error}"}
    return {"file": str(path)}
