"""From a set of images to batches of views: which of the three pipelines a run uses, and why.

`auto` chooses the first that is possible: images that stay on the device; images in host memory, each batch
of which is sent ahead of its use; JPEGs that a GPU decodes; worker processes that read files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.jpeg import decoder_fault
from wmse_tui.engine.data.jpeg_batches import JpegBatches, not_jpegs
from wmse_tui.engine.data.placement import free_memory, place_images
from wmse_tui.engine.data.plan import plan_views
from wmse_tui.engine.data.resident import ResidentBatches
from wmse_tui.engine.data.sources.files import FileImages
from wmse_tui.engine.data.workers import WorkerBatches
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.recording import CudaGraphs
from wmse_tui.runs.process.cores import own_cores

MOST_WORKERS = 8
AUTO = "--set compute.loader=auto chooses what is possible"


class Pipeline(Protocol):
    """A pipeline."""

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Tensor]: ...

    def close(self) -> None: ...


class Batches:
    """The batches of a run; a function of seed, epoch and batch number alone.

    kind: `batched`, `jpeg` or `workers`. reason: why this one, for people. images, split: what is
    trained on. steps_per_epoch: batches in an epoch; images that do not fill one are left out.
    """

    def __init__(
        self, source: Pipeline, images: ImageSet, batch_size: int, *, kind: str, reason: str
    ) -> None:
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
            start_batch: the first batch; those before it are not loaded.

        Yields:
            Normalised views on the device, float32 (views, batch, 3, size, size).

        Raises:
            EngineError: an image cannot be read.
        """
        return self._source.epoch(epoch, start_batch)

    def close(self) -> None:
        """End what runs in the background."""
        self._source.close()


def build_batches(
    train: ImageSet,
    experiment: Experiment,
    device: torch.device,
    *,
    notify: Callable[[str], None] = lambda _: None,
    rank: int = 0,
    world: int = 1,
    whole_batches: bool = False,
) -> Batches:
    """Choose the pipeline that `compute.loader` asks for, or the fastest of those that can read the images.

    Args:
        notify: called with a text where less is done than `compute.compile=graph` asks for.
        rank, world, whole_batches: see `ViewPlan`.

    Raises:
        DataError: there are too few images for a batch, or the requested pipeline cannot read them.
    """
    plan = plan_views(experiment, rank=rank, world=world, whole_batches=whole_batches)
    loader, pixels = experiment.compute.loader, train.pixels
    _require(train, experiment, plan.batch_size)

    def batches(source: Pipeline, kind: str, reason: str) -> Batches:
        return Batches(source, train, plan.batch_size, kind=kind, reason=reason)

    if pixels is not None and loader != "workers":
        placement = place_images(pixels.nbytes, device, free=free_memory(device))
        recorded = experiment.compute.compile == "graph" and device.type == "cuda"
        resident = ResidentBatches(
            pixels,
            plan,
            device,
            on_device=placement.on_device,
            recorder=CudaGraphs(device) if recorded else None,
            notify=lambda why: notify(f"views are made as written, because that cannot be recorded: {why}"),
        )
        return batches(resident, "batched", placement.reason)
    of_set = f", for {train.why}" if isinstance(train, FileImages) else ""
    fault = _why_not_decoded(train, loader, device)
    if fault is None:
        why = f"{'requested; ' if loader == 'jpeg' else ''}files are decoded on {device}{of_set}"
        return batches(JpegBatches(train, plan, device), "jpeg", why)
    if loader == "jpeg":
        raise DataError(
            f"compute.loader=jpeg needs a decoder of JPEGs on {device}",
            fault,
            next=("--set compute.loader=workers", AUTO),
        )
    workers = experiment.compute.workers
    if workers is None:
        workers = min(MOST_WORKERS, own_cores())
    why = "requested" if loader == "workers" else f"images are read from files{of_set}"
    if fault:
        why += f"; not decoded on {device}: {fault}"
    why += f"; {workers} {'process' if workers == 1 else 'processes'}"
    return batches(WorkerBatches(train, plan, device, workers=workers), "workers", why)


def _require(train: ImageSet, experiment: Experiment, batch_size: int) -> None:
    """Refuse too few images, and a pipeline for another kind of images.

    Raises:
        DataError: with the alternatives.
    """
    loader = experiment.compute.loader
    if len(train) < batch_size:
        least = getattr(experiment.method, "whitening_size", 1)
        smaller = (f"at most {len(train)}: --set schedule.batch_size=...",) if len(train) >= least else ()
        raise DataError(
            "too few images for one batch",
            f"{train.name} ({train.split}) has {len(train)}, schedule.batch_size is {batch_size}"
            + ("" if smaller else f" and method.whitening_size {least}"),
            next=(*smaller, "train on more images"),
        )
    if loader == "batched" and train.pixels is None:
        raise DataError(
            "compute.loader=batched needs images of one size in memory",
            f"the images of {train.name} {train.split} are read from files as they are needed"
            + (f": {train.why}" if isinstance(train, FileImages) else ""),
            next=("--set compute.loader=workers", AUTO),
        )
    if loader == "jpeg" and train.pixels is not None:
        raise DataError(
            "compute.loader=jpeg is for images that stay in files",
            f"the images of {train.name} {train.split} are of one size and in memory",
            next=("--set compute.loader=batched", AUTO),
        )


def _why_not_decoded(train: ImageSet, loader: str, device: torch.device) -> str | None:
    """Why the images are not decoded on `device`; None if they are, "" where there is nothing to report."""
    if loader == "jpeg":
        return decoder_fault(device)
    if loader == "workers" or device.type != "cuda" or not isinstance(train, FileImages):
        return ""
    return not_jpegs(train) or decoder_fault(device)
