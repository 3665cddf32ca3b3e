"""The answer to "views": a picture of augmented views, made as the experiment's training would make them.

    asked with      images (4), views (as many as the experiment has), epoch (0), first (0), scale (1)
    path            a PNG file, 0600; the latest few stay until the inspector ends
    rows, columns   one row for each image; in it the image itself, then its views
    tile            side of a square of the grid, px; there is no space between squares
    source, why     the data set's name; or "patterns", and why
    split           which part of it
    images          the number of each row's image in the training set, by which training draws its views
    classes         the class of each row's image; empty where it has none
    epoch           whose views these are, from 0
    pipeline        "batched", "jpeg" or "workers": which of them made them; jpeg on pictures of Pillow's

`first` is the row of the data set's showcase that comes first, so that a person can look at other images.
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

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.batched import make_views
from wmse_tui.engine.data.images import UNLABELLED, ImageSet
from wmse_tui.engine.data.loading import build_batches
from wmse_tui.engine.data.padded import pad
from wmse_tui.engine.data.plan import ViewPlan, plan_views
from wmse_tui.engine.data.reference import augment_picture, to_pixels
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.profiling.image_cache import SHOWN, ImageCache, Loaded
from wmse_tui.engine.profiling.machine import QUIET_THREADS, threads
from wmse_tui.engine.service import child_process
from wmse_tui.engine.service.worker import Job

KEPT = 8  # pictures that are left for a slow reader
_files: deque[Path] = deque()
_counter = itertools.count()


def views(experiment: Experiment, job: Job, shelf: ImageCache) -> dict[str, Any]:
    """The fields of the answer.

    Raises:
        EngineError: the images cannot be had in the way the experiment asks for.
    """
    asked = job.request
    rows = asked.number("images", 4, low=1, high=SHOWN)
    plan = plan_views(experiment)
    plan = replace(plan, views=asked.number("views", plan.views, low=1, high=64))
    epoch = asked.number("epoch", 0, low=0, high=2**31)
    first = asked.number("first", 0, low=0, high=2**31)
    scale = asked.number("scale", 1, low=1, high=16)
    with threads(QUIET_THREADS):
        loaded = shelf.get(experiment, job, least=max(SHOWN, plan.batch_size))
        job.check()
        chosen = [loaded.shown[(first + row) % len(loaded.shown)] for row in range(rows)]
        numbers = [chosen_ if loaded.numbers is None else int(loaded.numbers[chosen_]) for chosen_ in chosen]
        pipeline = pipeline_of(loaded.train, experiment)
        make = MAKERS[pipeline]
        made = make(loaded.train, plan, epoch=epoch, rows=chosen, numbers=numbers)
        originals = torch.stack([_original(loaded.train.image(row), plan.size) for row in chosen])
        picture = grid(torch.cat((originals[None], made)), scale)
    path = _publish(picture, job.request.id)
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
        DataError: none can, in the way the experiment asks for.
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
    """As `batched_views`, of images that may differ in size and lie in files.

    Raises:
        EngineError: an image cannot be read.
    """
    pictures = [to_pixels(train.image(row)) for row in rows]
    heights, widths = torch.tensor([picture.shape[1:] for picture in pictures]).unbind(1)
    pixels, covered = pad(pictures, torch.device("cpu"))
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
    pictures = [train.image(row) for row in rows]
    sizes = torch.tensor([picture.size for picture in pictures])
    drawn = plan.parameters(
        epoch=epoch, indices=torch.tensor(numbers), heights=sizes[:, 1], widths=sizes[:, 0]
    )
    return torch.stack(
        [
            torch.stack(
                [
                    to_pixels(augment_picture(picture, view, plan.size))
                    for picture, view in zip(pictures, parameters.views(), strict=True)
                ]
            )
            for parameters in drawn
        ]
    )


MAKERS = {"batched": batched_views, "jpeg": padded_views, "workers": reference_views}


def grid(columns: Tensor, scale: int) -> Image.Image:
    """One picture of uint8 squares (columns, rows, 3, size, size)."""
    count, rows, _, size, _ = columns.shape
    pixels = columns.permute(1, 3, 0, 4, 2).reshape(rows * size, count * size, 3)
    if scale > 1:
        pixels = pixels.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    return Image.fromarray(np.ascontiguousarray(pixels.numpy()))


def _original(picture: Image.Image, size: int) -> Tensor:
    """The whole picture in a square, on black where it is none, uint8 (3, size, size)."""
    if picture.size != (size, size):
        factor = size / max(picture.size)
        width, height = (max(1, round(side * factor)) for side in picture.size)
        fitted = picture.resize((width, height), Image.Resampling.BICUBIC)
        picture = Image.new("RGB", (size, size))
        picture.paste(fitted, ((size - width) // 2, (size - height) // 2))
    return to_pixels(picture)


def _class_of(loaded: Loaded, row: int) -> str:
    labels, classes = loaded.train.labels, loaded.train.classes
    if labels is None or labels[row] == UNLABELLED or not classes:
        return ""
    return classes[int(labels[row])]


def _publish(picture: Image.Image, number: int) -> Path:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=1)
    try:
        path = child_process.folder() / f"views-{number}-{next(_counter)}.png"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encoded.getvalue())
    except OSError as error:
        raise EngineError(
            "the picture cannot be written", f"{error.strerror}: {error.filename or 'the temporary folder'}"
        ) from error
    _files.append(path)
    while len(_files) > KEPT:
        with suppress(OSError):
            _files.popleft().unlink()
    return path
