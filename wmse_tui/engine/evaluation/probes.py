"""One evaluation of an encoder, as configured: features once, then nearest neighbours and a linear probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data, split_text
from wmse_tui.engine.data.images import UNLABELLED, ImageSet
from wmse_tui.engine.data.sources.files import readable
from wmse_tui.engine.distribution.ranks import ALONE, Kind, Message, Ranks
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.evaluation.pixel_batches import Geometry, are_sliced, batch_sizes, pixel_batches
from wmse_tui.runs.log.events import Evaluation, KnnResult, LinearResult

from .batch_norm import calibrated_batch_norm
from .dealt_batches import count_damaged, dealt_results
from .features import extract_features, require_finite
from .interruption import Progress, ShouldStop, never, no_progress
from .knn import knn_accuracy
from .linear import linear_accuracy

RAW_PIXEL_BYTES = 4 * 2**30
"""The most memory that the raw pixels of the probe images may use."""

UseFeatures = Callable[[Tensor, Tensor], None]
"""Called with the features (images, dim) of the labelled test images and their labels, in their order."""


def ignore_features(_features: Tensor, _labels: Tensor) -> None:
    """Does nothing with the features."""


def evaluate(
    encoder: nn.Module,
    data: Data,
    experiment: Experiment,
    device: torch.device,
    *,
    epoch: int,
    step: int,
    final: bool,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
    use_features: UseFeatures = ignore_features,
    ranks: Ranks = ALONE,
) -> Evaluation | None:
    """Measure `encoder` on the labelled images of `data`.

    At step 0 the encoder's BatchNorms have the statistics of the training images, and the raw pixels are
    classified too where that is configured. The encoder, its modes and buffers, and every global
    random state are afterwards what they were before.

    Args:
        encoder: (batch, 3, height, width) to (batch, dim), on `device`.
        epoch, step: completed epochs and optimiser steps, for the result.
        final: the run's last evaluation: a linear probe that waits for the end is done now.
        use_features: may save features of the test images for other uses, where a probe needs them.
        ranks: those that read and encode the images together. Rank 0 announces it, and the others then call
            this too, with equal weights.

    Returns:
        Accuracies as fractions of 1; None where there is nothing to measure: no labels, or every probe off.
        On another rank than 0: None.

    Raises:
        DataError: the labelled images do not suffice, or do not fit.
        Diverged: a feature is not finite.
        EvaluationInterrupted: `should_stop` returned true.

    Example:
        >>> import torch
        >>> from wmse_tui.config.schema import Experiment
        >>> from wmse_tui.engine.data.dataset_sources import load_data
        >>> dataset = {"name": "patterns", "train_images": 600, "test_images": 100}
        >>> experiment = Experiment.model_validate({"dataset": dataset, "evaluation": {"linear": "off"}})
        >>> data = load_data(experiment, progress=lambda *_: None)
        >>> encoder = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Flatten())
        >>> cpu = torch.device("cpu")
        >>> evaluation = evaluate(encoder, data, experiment, cpu, epoch=1, step=1, final=True)
        >>> 0.1 < evaluation.knn.top1 < 0.3  # raw pixels, ten classes
        True
    """
    options = experiment.evaluation
    linear_now = options.linear != "off" and (final or options.linear_at == "every")
    raw_now = options.raw_pixels and step == 0
    train, test = labelled(data.probe_train), labelled(data.probe_test)
    if train is None or test is None or not (options.knn != "off" or linear_now or raw_now):
        return None
    started = time.monotonic()
    if options.neighbours > len(train) and (options.knn != "off" or raw_now):
        raise DataError(
            "too few labelled images for the nearest neighbours",
            f"evaluation.neighbours is {options.neighbours}, and {split_text(train)} is all there is",
            next=("use fewer evaluation.neighbours", "set evaluation.knn=off"),
        )

    if ranks.rank == 0:
        ranks.announce(Message(Kind.EVALUATE, epoch, step=step, final=final))
    raw = knn = linear = None
    if raw_now:
        raw = _raw_pixel_accuracy(train, test, data, experiment, device, progress, should_stop, ranks)
    if options.knn != "off" or linear_now:
        with _fair_batch_norm(encoder, data, experiment, device, step, progress, should_stop, ranks):
            x_train, y_train = _features(
                encoder, train, data, experiment, device, progress, should_stop, ranks
            )
            x_test, y_test = _features(encoder, test, data, experiment, device, progress, should_stop, ranks)
        count_damaged(data.damaged(), ranks)
        if ranks.rank:
            return None
        use_features(x_test, y_test)
        x_train, y_train = of_readable(train, x_train, y_train)
        x_test, y_test = of_readable(test, x_test, y_test)
        if options.knn != "off":
            top1 = knn_accuracy(
                x_train,
                y_train,
                x_test,
                y_test,
                k=options.neighbours,
                metric=options.knn,
                temperature=options.temperature,
                progress=progress,
                should_stop=should_stop,
            )
            knn = KnnResult(top1=top1, k=options.neighbours, metric=options.knn)
        if linear_now and options.linear != "off":
            accuracy = linear_accuracy(
                x_train,
                y_train,
                x_test,
                y_test,
                solver=options.linear,
                epochs=options.linear_epochs,
                iterations=options.linear_epochs,
                seed=experiment.seed,
                progress=progress,
                should_stop=should_stop,
            )
            linear = LinearResult(top1=accuracy.top1, top5=accuracy.top5, solver=options.linear)
    if ranks.rank:
        return None
    return Evaluation(
        epoch=epoch,
        step=step,
        knn=knn,
        linear=linear,
        raw_pixels=raw,
        train_split=readable_text(train),
        test_split=readable_text(test),
        seconds=time.monotonic() - started,
    )


def of_readable(images: ImageSet, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Features or pixels (images, dim) and labels without those of images that are passed over."""
    known = readable(images)
    if known is None:
        return rows, labels
    known = known.to(rows.device)
    return rows[known], labels.to(rows.device)[known]


def readable_text(images: ImageSet) -> str:
    """A set as text, with the number of its images that can be read."""
    known = readable(images)
    return split_text(images) if known is None else f"{images.split} ({int(known.sum()):,})"


def labelled(images: ImageSet | None) -> ImageSet | None:
    """The images that have a label, or None where none has."""
    if images is None or images.labels is None:
        return None
    known = images.labels != UNLABELLED
    if not known.any():
        return None
    return images if known.all() else images.take(known.nonzero()[:, 0])


def geometry_of(images: ImageSet, experiment: Experiment) -> Geometry:
    """The evaluation's resizing and cropping: as configured, the crop by default that of the training views.

    Images that are not of one size in memory are by default resized to the crop: the middle of a large
    photograph is not the photograph.
    """
    dataset = experiment.dataset
    crop = dataset.crop if dataset.eval_crop is None else dataset.eval_crop
    resize = dataset.eval_resize
    return Geometry(resize=crop if resize is None and images.pixels is None else resize, crop=crop)


@contextmanager
def _fair_batch_norm(
    encoder: nn.Module,
    data: Data,
    experiment: Experiment,
    device: torch.device,
    step: int,
    progress: Progress,
    should_stop: ShouldStop,
    ranks: Ranks,
) -> Iterator[None]:
    geometry = geometry_of(data.train, experiment)
    untrained = calibrated_batch_norm(
        encoder,
        data.train,
        mean=data.mean,
        std=data.std,
        resize=geometry.resize,
        crop=geometry.crop,
        batch_size=experiment.evaluation.batch_size,
        device=device,
        precision=experiment.compute.precision,
        workers=experiment.compute.workers,
        progress=progress,
        should_stop=should_stop,
        ranks=ranks,
    )
    with untrained if step == 0 else nullcontext():
        yield


def _features(
    encoder: nn.Module,
    images: ImageSet,
    data: Data,
    experiment: Experiment,
    device: torch.device,
    progress: Progress,
    should_stop: ShouldStop,
    ranks: Ranks,
) -> tuple[Tensor, Tensor]:
    features, labels = features_of(encoder, images, data, experiment, device, progress, should_stop, ranks)
    assert labels is not None
    return features, labels


def features_of(
    encoder: nn.Module,
    images: ImageSet,
    data: Data,
    experiment: Experiment,
    device: torch.device,
    progress: Progress,
    should_stop: ShouldStop,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor | None]:
    """Features and labels of `images`, extracted as configured.

    Raises:
        DataError, EvaluationInterrupted: as `extract_features`.
        Diverged: a feature is not finite.
    """
    geometry = geometry_of(images, experiment)
    features, labels = extract_features(
        encoder,
        images,
        mean=data.mean,
        std=data.std,
        resize=geometry.resize,
        crop=geometry.crop,
        batch_size=experiment.evaluation.batch_size,
        device=device,
        precision=experiment.compute.precision,
        workers=experiment.compute.workers,
        progress=progress,
        should_stop=should_stop,
        ranks=ranks,
    )
    require_finite(features, images.split)
    return features, labels


def _raw_pixel_accuracy(
    train: ImageSet,
    test: ImageSet,
    data: Data,
    experiment: Experiment,
    device: torch.device,
    progress: Progress,
    should_stop: ShouldStop,
    ranks: Ranks,
) -> float | None:
    """Nearest neighbours of the pixels themselves: what an encoder has to beat. None on another rank than 0.

    Their scale does not change which are near, so they stay bytes: exact, and a quarter of the memory.
    """
    x_train = _raw_pixels(train, experiment, device, should_stop, ranks)
    x_test = _raw_pixels(test, experiment, device, should_stop, ranks)
    count_damaged(data.damaged(), ranks)
    if ranks.rank:
        return None
    assert train.labels is not None
    assert test.labels is not None
    x_train, y_train = of_readable(train, x_train, train.labels)
    x_test, y_test = of_readable(test, x_test, test.labels)
    return knn_accuracy(
        x_train,
        y_train,
        x_test,
        y_test,
        k=experiment.evaluation.neighbours,
        progress=progress,
        should_stop=should_stop,
    )


def _raw_pixels(
    images: ImageSet, experiment: Experiment, device: torch.device, should_stop: ShouldStop, ranks: Ranks
) -> Tensor:
    """The pixels of images as rows, uint8 (images, dim); none on another rank than 0."""
    rows, done, geometry = torch.empty(0, 0), 0, geometry_of(images, experiment)
    if are_sliced(images, geometry):  # rank 0 has them all
        if ranks.rank:
            return rows
        ranks = ALONE
    size = experiment.evaluation.batch_size
    batches = pixel_batches(
        images,
        geometry,
        batch_size=size,
        workers=experiment.compute.workers,
        rank=ranks.rank,
        world=ranks.world,
    )

    def flattened(pixels: Tensor) -> Tensor:
        flat = pixels.flatten(1)
        _check_raw_size(len(images) * flat.shape[1], images)
        return flat

    with closing(batches):
        sizes = batch_sizes(len(images), size)
        for flat in dealt_results(batches, flattened, sizes, ranks, should_stop):
            if not done:
                rows = torch.empty(len(images), flat.shape[1], dtype=torch.uint8, device=device)
            rows[done : done + len(flat)] = flat
            done += len(flat)
    return rows


def _check_raw_size(size: int, images: ImageSet) -> None:
    if size > RAW_PIXEL_BYTES:
        raise DataError(
            "the raw pixels are too many for their nearest neighbours",
            f"{split_text(images)}: {size / 2**30:.1f} GiB, at most {RAW_PIXEL_BYTES / 2**30:.0f} are used",
            next=("set evaluation.raw_pixels=false",),
        )
