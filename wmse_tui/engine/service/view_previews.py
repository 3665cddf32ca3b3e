"""The answer to "views": an image of augmented views, made as the experiment's training would make them.

    request         images (4), views (as many as the experiment has), epoch (0), first (0), scale (1)
    path            a PNG file, 0600; the latest few stay until the inspector ends
    rows, columns   one row for each image; in it the image itself, then its views
    tile            side of a square of the grid, px; there is no space between squares
    source, why     the data set's name; or "patterns", and why
    split           which part of it
    images          the number of each row's image in the training set, by which training draws its views
    classes         the class of each row's image; empty where it has none
    epoch           whose views these are, from 0
    pipeline        "batched", "jpeg" or "workers": which of them made them; jpeg on images decoded by Pillow

`first` is which of the images to show comes first, so that a person can see others.
`scale` repeats each pixel so many times in both directions.
"""

from __future__ import annotations

import io
import itertools
import os
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.batched import make_views
from wmse_tui.engine.data.images import UNLABELLED, ImageSet
from wmse_tui.engine.data.padded import pad
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.data.plan import ViewPlan, plan_views
from wmse_tui.engine.data.reference import augment_image, to_pixels
from wmse_tui.engine.data.thumbnails import grid, square
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.profiling.image_cache import SHOWN, CachedImages, ImageCache
from wmse_tui.engine.profiling.threads import QUIET_THREADS, threads
from wmse_tui.engine.service import child_process
from wmse_tui.engine.service.worker import Job

SAVED_FILES = 8  # the latest, for a slow reader
_files: deque[Path] = deque()
_counter = itertools.count()


def preview_views(experiment: Experiment, job: Job, images: ImageCache) -> dict[str, Any]:
    """The fields of the answer.

    Raises:
        EngineError: the images cannot be loaded as configured.
    """
    request = job.request
    rows = request.number("images", 4, low=1, high=SHOWN)
    plan = plan_views(experiment)
    plan = replace(plan, views=request.number("views", plan.views, low=1, high=64))
    epoch = request.number("epoch", 0, low=0, high=2**31)
    first = request.number("first", 0, low=0, high=2**31)
    scale = request.number("scale", 1, low=1, high=16)
    with threads(QUIET_THREADS):
        least = max(SHOWN, plan.batch_size)
        loaded = images.get(experiment, least=least, progress=job.progress, check=job.check)
        job.check()
        chosen = [loaded.shown[(first + row) % len(loaded.shown)] for row in range(rows)]
        numbers = [row if loaded.numbers is None else int(loaded.numbers[row]) for row in chosen]
        pipeline = pipeline_of(loaded.train, experiment)
        make = MAKERS[pipeline]
        made = make(loaded.train, plan, epoch=epoch, rows=chosen, numbers=numbers)
        originals = torch.stack([square(loaded.train.image(row), plan.size) for row in chosen])
        image = grid(torch.cat((originals[None], made)), scale)
    path = _publish(image, request.id)
    return {
        "path": str(path),
        "rows": rows,
        "columns": 1 + plan.views,
        "tile": plan.size * scale,
        "source": loaded.source,
        "why": loaded.why,
        "split": loaded.train.split,
        "images": numbers,
        "classes": [_class_of(loaded, row) for row in chosen],
        "epoch": epoch,
        "pipeline": pipeline,
    }


def pipeline_of(train: ImageSet, experiment: Experiment) -> str:
    """Which pipeline serves these images.

    Raises:
        DataError: none can, as configured.
    """
    batches = build_batches(train, experiment, torch.device("cpu"))
    batches.close()
    return batches.kind


def batched_views(
    train: ImageSet, plan: ViewPlan, *, epoch: int, rows: list[int], numbers: list[int]
) -> Tensor:
    """Views by the batched pipeline, uint8 (views, images, 3, size, size).

    Args:
        train: the set; its pixels are in memory.
        plan: how views are made.
        epoch: from 0.
        rows: which images of `train`.
        numbers: their numbers in the training set of a run.
    """
    pixels = train.pixels
    assert pixels is not None
    height, width = pixels.shape[2:]
    drawn = plan.parameters(epoch=epoch, indices=torch.tensor(numbers), heights=height, widths=width)
    views = make_views(
        pixels, torch.tensor(rows), tuple(drawn), size=plan.size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
    )
    return views.mul_(255).round_().to(torch.uint8)


def padded_views(
    train: ImageSet, plan: ViewPlan, *, epoch: int, rows: list[int], numbers: list[int]
) -> Tensor:
    """As `batched_views`, of images that may differ in size and are in files.

    Raises:
        EngineError: an image cannot be read.
    """
    images = [to_pixels(train.image(row)) for row in rows]
    heights, widths = torch.tensor([image.shape[1:] for image in images]).unbind(1)
    pixels, covered = pad(images, torch.device("cpu"))
    drawn = plan.parameters(epoch=epoch, indices=torch.tensor(numbers), heights=heights, widths=widths)
    views = make_views(
        pixels,
        torch.arange(len(rows)),
        tuple(drawn),
        covered=covered,
        size=plan.size,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )
    return views.mul_(255).round_().to(torch.uint8)


def reference_views(
    train: ImageSet, plan: ViewPlan, *, epoch: int, rows: list[int], numbers: list[int]
) -> Tensor:
    """As `batched_views`, by the reference pipeline.

    Raises:
        EngineError: an image cannot be read.
    """
    images = [train.image(row) for row in rows]
    sizes = torch.tensor([image.size for image in images])
    drawn = plan.parameters(
        epoch=epoch, indices=torch.tensor(numbers), heights=sizes[:, 1], widths=sizes[:, 0]
    )
    return torch.stack(
        [
            torch.stack(
                [
                    to_pixels(augment_image(image, view, plan.size))
                    for image, view in zip(images, parameters.views(), strict=True)
                ]
            )
            for parameters in drawn
        ]
    )


MAKERS = {"batched": batched_views, "jpeg": padded_views, "workers": reference_views}


def _class_of(loaded: CachedImages, row: int) -> str:
    labels, classes = loaded.train.labels, loaded.train.classes
    if labels is None or labels[row] == UNLABELLED or not classes:
        return ""
    return classes[int(labels[row])]


def _publish(image: Image.Image, number: int) -> Path:
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=1)
    try:
        path = child_process.folder() / f"views-{number}-{next(_counter)}.png"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encoded.getvalue())
    except OSError as error:
        raise EngineError(
            "the image cannot be written", f"{error.strerror}: {error.filename or 'the temporary folder'}"
        ) from error
    _files.append(path)
    while len(_files) > SAVED_FILES:
        with suppress(OSError):
            _files.popleft().unlink()
    return path
