"""From a set of images to batches of views: which of the two pipelines serves a run, and why.

`auto` takes the first that can be: images that stay on the device; images in host memory, each batch of which
is sent ahead of its use; worker processes that read files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.placement import free_memory, place_images
from wmse_tui.engine.data.plan import plan_views
from wmse_tui.engine.data.resident import ResidentBatches
from wmse_tui.engine.data.sources.files import FileImages
from wmse_tui.engine.data.workers import WorkerBatches
from wmse_tui.engine.errors import DataError

MOST_WORKERS = 8


class Source(Protocol):
    """A pipeline."""

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Tensor]: ...

    def close(self) -> None: ...


class Batches:
    """The batches of a run; a function of seed, epoch and batch number alone.

    kind: `batched` or `workers`. reason: why this one, for a person. images, split: what is trained on.
    steps_per_epoch: batches in an epoch; images that do not fill one are left out.
    """

    def __init__(self, source: Source, images: ImageSet, batch_size: int, *, kind: str, reason: str) -> None:
        self.kind = kind
        self.reason = reason
        self.images = len(images)
        self.split = images.split
        self.steps_per_epoch = len(images) // batch_size
        self._source = source

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Tensor]:
        """The batches of an epoch.

        Args:
            epoch: from 0.
            start_batch: the first batch wanted; those before it are not loaded.

        Yields:
            Normalised views on the device, float32 (views, batch, 3, size, size).

        Raises:
            EngineError: an image cannot be read.
        """
        return self._source.epoch(epoch, start_batch)

    def close(self) -> None:
        """End what runs in the background."""
        self._source.close()


def build_batches(train: ImageSet, experiment: Experiment, device: torch.device) -> Batches:
    """Choose the pipeline that `compute.loader` asks for, or the faster of those that can serve the images.

    Raises:
        DataError: there are too few images for a batch, or the pipeline asked for cannot take them.
    """
    plan, wanted, pixels = plan_views(experiment), experiment.compute.loader, train.pixels
    if len(train) < plan.batch_size:
        least = getattr(experiment.method, "whitening_size", 1)
        smaller = (
            (f"take at most {len(train)}: --set schedule.batch_size=...",) if len(train) >= least else ()
        )
        raise DataError(
            "too few images for one batch",
            f"{train.name} ({train.split}) has {len(train)}, schedule.batch_size is {plan.batch_size}"
            + ("" if smaller else f" and method.whitening_size {least}"),
            next=(*smaller, "train on more images"),
        )
    if wanted == "batched" and pixels is None:
        raise DataError(
            "compute.loader=batched needs images of one size in memory",
            f"the images of {train.name} {train.split} are read from files as they are needed"
            + (f": {train.why}" if isinstance(train, FileImages) else ""),
            next=("--set compute.loader=workers", "--set compute.loader=auto chooses what can be done"),
        )
    if pixels is not None and wanted != "workers":
        place = place_images(pixels.nbytes, device, free=free_memory(device))
        source = ResidentBatches(pixels, plan, device, on_device=place.on_device)
        return Batches(source, train, plan.batch_size, kind="batched", reason=place.reason)
    workers = experiment.compute.workers
    if workers is None:
        workers = min(MOST_WORKERS, _cores())
    why = "asked for" if wanted == "workers" else "images are read from files"
    if wanted != "workers" and isinstance(train, FileImages):
        why += f", for {train.why}"
    return Batches(
        WorkerBatches(train, plan, device, workers=workers),
        train,
        plan.batch_size,
        kind="workers",
        reason=f"{why}; {workers} {'process' if workers == 1 else 'processes'}",
    )


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
