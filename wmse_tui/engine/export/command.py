"""`wmse-tui export` in a process of its own: `python -m wmse_tui.engine.commands export RUN|CHECKPOINT ...`.

It writes JSON lines (`engine/jsonl.py`). A file is written aside, loaded back by its own recipe, compared
with the encoder, and only then put in place, with a file of facts beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision

from wmse_tui import __version__
from wmse_tui.config.locations import expanded
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.backbone import no_counterpart
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.images import UNLABELLED
from wmse_tui.engine.errors import DataError, ExportError
from wmse_tui.engine.evaluation.interruption import Progress, never
from wmse_tui.engine.evaluation.probes import features_of
from wmse_tui.engine.evaluation.trained_checkpoint import (
    TrainedCheckpoint,
    find_checkpoint,
    read_trained,
    run_experiment,
)
from wmse_tui.engine.export.check import GRAPH_TOLERANCE, TOLERANCE, check_features, reference, run_recipe
from wmse_tui.engine.export.features_table import TABLE_WRITERS, FeaturesTable
from wmse_tui.engine.export.recipes import RECIPES
from wmse_tui.engine.export.trained_encoder import TrainedEncoder
from wmse_tui.engine.export.writers import WRITERS
from wmse_tui.engine.jsonl import ArgumentParser, Command, progress_lines, run_command
from wmse_tui.engine.methods import move_to_device
from wmse_tui.engine.training.checkpoints import file_sha256
from wmse_tui.engine.training.device import choose_device, prepare
from wmse_tui.runs.export_formats import EXPORT_FORMATS
from wmse_tui.runs.output import folder_aside, put_in_place, refuse_existing
from wmse_tui.runs.state.watch import view_run

FORMAT = 1
SPLITS = ("train", "test", "all")

COMMAND = Command(
    name="export",
    options=frozenset({"--format", "--checkpoint", "--force", "--split", "--device", "--license"}),
    wording={
        "train on the CPU: --set compute.device=cpu": "--device cpu",
        "start the run again": "export again",
        "new run with": "",  # another configuration is another encoder
        "or with a smaller schedule.batch_size": "",
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to export, and how.

    Args:
        target: a run's directory or a checkpoint file.
        format: a key of `EXPORT_FORMATS`, but for the archive, which needs no engine.
        checkpoint: of a run, see `find_checkpoint`.
        output: the file or folder; None: a name made of the run, the checkpoint and the format in the
            current folder.
        force: replace what is there.
        split: which labelled images the features are of.
        license: of the weights, for a model card.
        device: on which features are computed; None: the configured one.
    """

    target: Path
    format: str
    checkpoint: str | None = None
    output: Path | None = None
    force: bool = False
    split: str = "all"
    license: str | None = None
    device: str | None = None


def export_command(arguments: Sequence[str]) -> int:
    """Export according to the arguments; returns the exit code."""
    return run_command(
        COMMAND, lambda write: export(parse_request(arguments), progress=progress_lines(write))
    )


def parse_request(arguments: Sequence[str]) -> ExportRequest:
    """The request of a command line. Raises UsageError."""
    parser = ArgumentParser(prog="python -m wmse_tui.engine.commands export", description=__doc__)
    parser.add_argument("target", type=Path, metavar="RUN|CHECKPOINT")
    parser.add_argument("--format", choices=(*WRITERS, *TABLE_WRITERS), required=True)
    parser.add_argument("--checkpoint", metavar="best|final|last|FILE")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--split", choices=SPLITS, default="all")
    parser.add_argument("--license")
    parser.add_argument("--device")
    return ExportRequest(**vars(parser.parse_args(arguments)))


def export(request: ExportRequest, *, progress: Progress) -> dict[str, Any]:
    """Export one encoder or its features; returns the facts beside the file, with `file` and `difference`.

    Raises:
        ExportError: a package is missing, the format has no form for this encoder, or the file does not give
            its features; nothing is written.
        EngineError, ConfigError, RunsError: the run, its checkpoint, its images or the output cannot be used.
    """
    _require_packages(request.format)
    run, path = find_checkpoint(request.target, request.checkpoint)
    output = _output(request, run.id, path)
    facts_file = output.with_name(output.name + ".json")
    published = (output,) if _is_folder(request) else (output, facts_file)
    if not request.force:
        refuse_existing(published)
    progress("read", 0, 0, "")
    experiment = run_experiment(run)
    checkpoint = read_trained(run, path, experiment)
    trained = _trained_encoder(checkpoint, experiment, request.license)
    facts = {**trained.facts, "format": request.format, "recipe": _recipe(trained, request, output.name)}
    with folder_aside(output) as aside:
        file = aside / output.name
        if request.format in TABLE_WRITERS:
            facts |= _write_table(trained, experiment, request, file, facts, progress)
        else:
            progress("write", 0, 0, "")
            WRITERS[request.format](trained, file, facts)
            progress("check", 0, 0, "")
            facts["difference"] = _check(trained, request, file)
        if not _is_folder(request):
            beside = aside / facts_file.name
            beside.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            put_in_place(beside, facts_file, overwrite=request.force)
        put_in_place(file, output, overwrite=request.force)
    return {**facts, "file": str(output)}


def _require_packages(name: str) -> None:
    """Raise ExportError where a package that writes the format, or loads it back, is not installed."""
    file_format = EXPORT_FORMATS[name]
    if missing := file_format.missing_packages():
        raise ExportError(
            f"the format {name} needs packages that are not installed",
            ", ".join(missing),
            next=(f"pip install 'wmse-tui[{file_format.extra}]'",),
        )


def _is_folder(request: ExportRequest) -> bool:
    return not EXPORT_FORMATS[request.format].suffix


def _output(request: ExportRequest, run: str, checkpoint: Path) -> Path:
    """The absolute path of the file or folder to write."""
    suffix = EXPORT_FORMATS[request.format].suffix
    name = f"{run}-{checkpoint.stem}{suffix}"
    if request.output is None:
        return Path.cwd() / name
    output = expanded(request.output).absolute()
    return output / name if suffix and output.is_dir() else output


def _recipe(trained: TrainedEncoder, request: ExportRequest, file: str) -> list[str]:
    return RECIPES[request.format](trained, file)


def _trained_encoder(
    checkpoint: TrainedCheckpoint, experiment: Experiment, weights_license: str | None
) -> TrainedEncoder:
    dataset, method = experiment.dataset, checkpoint.method
    size = dataset.crop if dataset.eval_crop is None else dataset.eval_crop
    mean, std = dataset.normalisation()
    accuracies = [each for each in view_run(checkpoint.run).evaluations if each.step == checkpoint.step]
    facts = {
        "v": FORMAT,
        "run": checkpoint.run.id,
        "checkpoint": checkpoint.path.name,
        "sha256": file_sha256(checkpoint.path),
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "method": experiment.method.name,
        "dataset": dataset.name,
        "backbone": experiment.backbone.model_dump(mode="json"),
        "train_crop": dataset.crop,
        "size": size,
        "resize": dataset.eval_resize,
        "colours": "RGB",
        "range": [0, 1],
        "mean": mean,
        "std": std,
        "accuracies": asdict(accuracies[-1]) if accuracies else None,
        "versions": {
            "wmse_tui": __version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        "license": weights_license,
    }
    encoder = method.encoder.eval().requires_grad_(requires_grad=False)
    trained = TrainedEncoder(
        network=encoder,
        options=experiment.backbone,
        crop=dataset.crop,
        size=size,
        resize=dataset.eval_resize,
        mean=mean,
        std=std,
        facts={},
    )
    layout = "wmse_tui" if no_counterpart(trained.options) else "torchvision"
    return replace(trained, facts={**facts, "stem": trained.stem, "dim": trained.dim, "layout": layout})


def _check(trained: TrainedEncoder, request: ExportRequest, file: Path) -> float:
    """Load `file` by its recipe and compare features; returns the relative difference. Raises ExportError."""
    images, wanted = reference(trained)
    lines = RECIPES[request.format](trained, str(file))
    try:
        features = run_recipe(lines, images=images)["features"]
    except Exception as error:
        raise ExportError(
            f"the exported file ({request.format}) cannot be loaded back",
            f"{type(error).__name__}: {error}",
            next=("nothing was written; export another format: --format torchvision",),
        ) from error
    tolerance = GRAPH_TOLERANCE if request.format == "onnx" else TOLERANCE
    return check_features(features, wanted, tolerance=tolerance, file_format=request.format)


def _write_table(
    trained: TrainedEncoder,
    experiment: Experiment,
    request: ExportRequest,
    file: Path,
    facts: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Compute the features and write them to `file`; returns what the facts gain."""
    device = choose_device(request.device or experiment.compute.first_device)
    prepare(device.torch, deterministic=experiment.compute.deterministic)
    data = load_data(experiment, progress=progress)
    sets = {"train": data.probe_train, "test": data.probe_test}
    chosen = [
        images for name, images in sets.items() if request.split in (name, "all") and images is not None
    ]
    if not chosen:
        raise DataError(
            "there are no labelled images to compute features of",
            f"the data set {experiment.dataset.name} has none",
            next=("name labelled folders in a configuration: dataset.probe_train and dataset.probe_test",),
        )
    encoder = move_to_device(trained.network, device.torch)
    features, labels = [], []
    for images in chosen:
        x, y = features_of(encoder, images, data, experiment, device.torch, progress, never)
        features.append(x.cpu().numpy())
        labels.append(np.full(len(x), UNLABELLED) if y is None else y.cpu().numpy())
    table = FeaturesTable(
        features=np.concatenate(features),
        labels=np.concatenate(labels),
        index=np.concatenate([np.arange(len(images)) for images in chosen]),
        split=[images.split for images in chosen for _ in range(len(images))],
        classes=chosen[0].classes,
    )
    gained = {"images": {images.split: len(images) for images in chosen}, "device": device.name}
    progress("write", 0, 0, "")
    TABLE_WRITERS[request.format](table, file, {**facts, **gained})
    loaded = run_recipe(RECIPES[request.format](trained, str(file)))
    same = np.array_equal(loaded["features"], table.features) and np.array_equal(
        loaded["labels"], table.labels
    )
    if not same:
        raise ExportError(
            f"the exported file ({request.format}) does not have the features that were computed",
            next=("nothing was written; export another format: --format npz",),
        )
    return {**gained, "difference": 0.0}
