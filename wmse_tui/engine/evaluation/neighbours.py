"""Test images with their nearest training images: `python -m wmse_tui.engine.commands neighbours RUN`.

It writes JSON lines (`engine/jsonl.py`); the pictures and their classes are saved in the run's `artifacts`
(`runs/state/neighbour_images.py`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wmse_tui.config.rebindable import REBINDABLE
from wmse_tui.engine.data.data_identity import DataIdentity
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.images import UNLABELLED, ImageSet
from wmse_tui.engine.data.sources.files import readable
from wmse_tui.engine.data.thumbnails import grid, square
from wmse_tui.engine.errors import DataError, EngineError
from wmse_tui.engine.jsonl import ArgumentParser, Command, progress_lines, run_command
from wmse_tui.engine.methods import move_to_device
from wmse_tui.engine.training.device import choose_device, prepare
from wmse_tui.runs.run_folder import publish_file
from wmse_tui.runs.state.neighbour_images import FORMAT, NEIGHBOURS_FILE, NeighbourImages
from wmse_tui.runs.state.watch import view_run

from .embedding_map import choose_images
from .interruption import Progress, never
from .probes import features_of
from .trained_checkpoint import find_checkpoint, read_trained, run_experiment

QUERIES = 24
"""Test images that are shown."""
NEIGHBOURS = 5
SEARCHED = 5000
"""Training images that are searched, of each class as many: enough to see what an encoder holds alike."""
_TILE = 48  # px, at most

COMMAND = Command(
    name="search for neighbours",
    options=frozenset({"--device"}),
    wording={
        ", or remove it, then start the run again": "",
        "start a new run": "",
        "train on the CPU: --set compute.device=cpu": "",
        "start the run again": "try again",
        "new run with": "",
        "or with a smaller schedule.batch_size": "",
    },
    keys=REBINDABLE,
)


def neighbours_command(arguments: Sequence[str]) -> int:
    """Find and save the neighbours for the run of the arguments; returns the exit code."""
    parser = ArgumentParser(prog="python -m wmse_tui.engine.commands neighbours", description=__doc__)
    parser.add_argument("target", type=Path, metavar="RUN", help="a run's directory, or a checkpoint file")

    def find(write: Any) -> dict[str, Any]:
        return find_neighbours(parser.parse_args(arguments).target, progress=progress_lines(write))

    return run_command(COMMAND, find)


def find_neighbours(target: Path, *, progress: Progress) -> dict[str, Any]:
    """Find the nearest training images of a few test images, by the final, best or last checkpoint of a run.

    Distances are between features of the encoder, as 5-NN measures them: Euclidean, or by cosine where the
    configuration says so.

    Returns:
        The fields of `NeighbourImages`.

    Raises:
        EngineError, ConfigError: the run, its checkpoint, its data or the device cannot be used, or nothing
            can be saved.
    """
    run, path = find_checkpoint(target, None)
    experiment = run_experiment(run)
    device = choose_device(experiment.compute.first_device)
    prepare(device.torch, deterministic=experiment.compute.deterministic)
    trained = read_trained(run, path, experiment)
    named = frozenset(file.name for file in view_run(run).damaged_files)
    data = load_data(experiment, progress=progress, named=named)
    if trained.data is not None:
        DataIdentity(data.sets()).require_same(trained.data, more=True)
    train, test = data.probe_train or data.train, data.probe_test
    if test is None:
        raise DataError("there are no test images", "the neighbours of test images are shown")
    encoder = move_to_device(trained.method.encoder, device.torch)
    queries, searched = _some(test, QUERIES), _some(train, SEARCHED)
    features = [
        features_of(encoder, images, data, experiment, device.torch, progress, never)[0].float().cpu()
        for images in (queries, searched)
    ]
    cosine = experiment.evaluation.knn == "cosine"
    nearest = nearest_rows(*features, cosine=cosine)
    size = min(_TILE, max(max(queries.image(row).size) for row in range(len(queries))))
    shown = [
        [square(queries.image(row), size), *(square(searched.image(int(at)), size) for at in nearest[row])]
        for row in range(len(queries))
    ]
    columns = torch.stack([torch.stack(list(column)) for column in zip(*shown, strict=True)])
    found = NeighbourImages(
        v=FORMAT,
        file=f"neighbours-{trained.step:08d}.png",
        tile=size,
        epoch=trained.epoch,
        step=trained.step,
        checkpoint=path.name,
        metric="cosine" if cosine else "euclidean",
        classes=tuple(
            (_class_of(queries, row), *(_class_of(searched, int(at)) for at in nearest[row]))
            for row in range(len(queries))
        ),
        images=len(searched),
        of=len(train),
        split=test.split,
        train_split=train.split,
    )
    encoded = io.BytesIO()
    grid(columns).save(encoded, "PNG")
    try:
        publish_file(run.artifacts / found.file, encoded.getvalue())
        publish_file(run.artifacts / NEIGHBOURS_FILE, (json.dumps(asdict(found)) + "\n").encode())
    except OSError as error:
        reason = f"{run.artifacts}: {error.strerror or error}"
        raise EngineError("the neighbours cannot be saved", reason) from error
    return asdict(found)


def nearest_rows(queries: Tensor, candidates: Tensor, *, cosine: bool, count: int = NEIGHBOURS) -> Tensor:
    """The rows of `candidates` (n, dim) nearest to each of `queries` (m, dim), int64 (m, count)."""
    if cosine:
        queries, candidates = normalize(queries, dim=1), normalize(candidates, dim=1)
    distances = torch.cdist(queries.double(), candidates.double())
    return distances.topk(min(count, len(candidates)), largest=False).indices


def _some(images: ImageSet, most: int) -> ImageSet:
    """Up to `most` of the images that can be read, of each class as many, always the same ones."""
    known = readable(images)
    rows = torch.arange(len(images)) if known is None else known.nonzero().flatten()
    labels = torch.full((len(images),), UNLABELLED) if images.labels is None else images.labels.cpu()
    return images.take(rows[choose_images(labels[rows], most=most)])


def _class_of(images: ImageSet, row: int) -> str:
    labels, classes = images.labels, images.classes
    if labels is None or labels[row] == UNLABELLED or not classes:
        return ""
    return classes[int(labels[row])]
