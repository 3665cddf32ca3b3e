"""Transfer of a frozen encoder to other labelled images: features once, then every probe on them.

Nothing is chosen with test labels: what is fitted, selected or drawn comes from the training images, and only
`scores.py` compares predictions with the labels of the test.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wmse_tui.config.schema import Experiment
from wmse_tui.config.transfer_sets import TransferSet
from wmse_tui.engine.data.dataset_sources import fingerprint
from wmse_tui.engine.data.images import UNLABELLED, ImageSet
from wmse_tui.engine.data.sources.files import readable
from wmse_tui.engine.data.transfer_images import TransferImages
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.evaluation.pixel_batches import Geometry
from wmse_tui.runs.state.transfer_results import (
    Calibration,
    LinearTransfer,
    NeighbourTransfer,
    TransferResult,
)
from wmse_tui.runs.text.units import count

from .calibration import expected_calibration_error, fit_temperature
from .feature_cache import FeatureCache, ReadableFeatures
from .features import extract_features, require_finite
from .few_shot import few_shot
from .interruption import Progress, no_progress
from .knn import Metric, knn_predict
from .probes import labelled
from .scores import mean_per_class, score, top1
from .transfer_probe import fit_selected

NEIGHBOURS = 5
WEIGHTED_NEIGHBOURS, TEMPERATURE = 20, 0.07
"""Wu et al. (2018), eq. 7, with the number of neighbours of Caron et al. (2021)."""

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenEncoder:
    """An encoder and how images are prepared for it.

    Args:
        network: (batch, 3, side, side) to (batch, dim), on `device`, in any mode.
        mean, std: the normalisation that it was trained with.
        geometry: the resizing and cropping of every image.
        experiment: of its run: batch size, precision, workers.
    """

    network: nn.Module
    device: torch.device
    mean: Triple
    std: Triple
    geometry: Geometry
    experiment: Experiment

    def features(
        self, images: ImageSet, progress: Progress = no_progress, *, network: nn.Module | None = None
    ) -> Tensor:
        """Return the features of `images`, float32 (images, dim), by `network` or else the encoder's own."""
        found, _ = extract_features(
            self.network if network is None else network,
            images,
            mean=self.mean,
            std=self.std,
            resize=self.geometry.resize,
            crop=self.geometry.crop,
            batch_size=self.experiment.evaluation.batch_size,
            device=self.device,
            precision=self.experiment.compute.precision,
            workers=self.experiment.compute.workers,
            progress=progress,
        )
        return found


def transfer_geometry(experiment: Experiment) -> Geometry:
    """Images of any size as large as those of the run's evaluations: shorter side resized, middle cropped."""
    dataset = experiment.dataset
    crop = dataset.crop if dataset.eval_crop is None else dataset.eval_crop
    return Geometry(resize=dataset.eval_resize or crop, crop=crop)


@dataclass(frozen=True, slots=True, eq=False)
class SetFeatures:
    """The features (images, dim) and labels (images,) of the readable images of a set, on one device.

    Args:
        train, test: these images.
        validation: bool (images,), the published validation part of the training images, or None.
        cached: they were those of an earlier evaluation.
        damaged: images that could not be read.
    """

    about: TransferSet
    train: ImageSet
    test: ImageSet
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    validation: Tensor | None
    train_split: str
    test_split: str
    cached: bool
    damaged: int


def set_features(
    encoder: FrozenEncoder, images: TransferImages, cache: FeatureCache, *, progress: Progress = no_progress
) -> SetFeatures:
    """The features of a set: from the cache, or computed and added to it.

    Raises:
        DataError: images do not fit or cannot be read, or are too few.
        Diverged: a feature is not finite.
    """
    train, validation = _labelled_part(images.train, images.validation)
    test, _ = _labelled_part(images.test, None)
    name = "folder" if images.about.folder else images.about.name
    parts = [
        _split_features(encoder, whole, part, f"{name}-{role}", cache, progress)
        for whole, part, role in ((images.train, train, "train"), (images.test, test, "test"))
    ]
    (train_found, train_cached), (test_found, test_cached) = parts
    known = train_found.readable
    found = SetFeatures(
        about=images.about,
        train=_readable_part(train, known),
        test=_readable_part(test, test_found.readable),
        x_train=train_found.features.to(encoder.device),
        y_train=_labels(train)[known].to(encoder.device),
        x_test=test_found.features.to(encoder.device),
        y_test=_labels(test)[test_found.readable].to(encoder.device),
        validation=None if validation is None else validation[known],
        train_split=f"{train.split} ({int(known.sum()):,})",
        test_split=f"{test.split} ({int(test_found.readable.sum()):,})",
        cached=train_cached and test_cached,
        damaged=len(images.train) + len(images.test) - len(train_found.features) - len(test_found.features),
    )
    _require_enough(found)
    return found


def measure(features: SetFeatures, geometry: Geometry, *, progress: Progress = no_progress) -> TransferResult:
    """All probes on the features of a set, which are of images of this geometry.

    Random choices are the same for every encoder, so that encoders are compared on the same images.
    """
    started = time.monotonic()
    per_class = features.about.per_class
    x, y, x_test, y_test = features.x_train, features.y_train, features.x_test, features.y_test
    knn = _neighbours(features, NEIGHBOURS, "euclidean", progress)
    weighted = _neighbours(features, min(WEIGHTED_NEIGHBOURS, len(x)), "cosine", progress)
    probe = fit_selected(x, y, held=features.validation, per_class=per_class, progress=progress)
    logits = probe.classifier.logits(x_test)
    predicted = logits.argmax(1)
    temperature = fit_temperature(probe.validation_logits, probe.validation_labels)
    return TransferResult(
        set=features.about.name,
        title=features.about.title,
        metric="mean_per_class" if per_class else "top1",
        classes=int(y.max()) + 1,
        train_split=features.train_split,
        test_split=features.test_split,
        size=geometry.crop or 0,
        resize=geometry.resize,
        linear=LinearTransfer(
            score=score(predicted, y_test, per_class=per_class),
            top1=top1(predicted, y_test),
            mean_per_class=mean_per_class(predicted, y_test),
            c=probe.c,
            validation=probe.validation,
        ),
        knn=knn,
        weighted_knn=weighted,
        cached=features.cached,
        damaged=features.damaged,
        few_shot=few_shot(x, y, x_test, y_test, per_class=per_class, progress=progress),
        calibration=Calibration(
            ece=expected_calibration_error(logits, y_test),
            ece_scaled=expected_calibration_error(logits / temperature, y_test),
            temperature=temperature,
        ),
        seconds=time.monotonic() - started,
    )


def _neighbours(features: SetFeatures, k: int, metric: Metric, progress: Progress) -> NeighbourTransfer:
    predicted = knn_predict(
        features.x_train,
        features.y_train,
        features.x_test,
        k=k,
        metric=metric,
        temperature=TEMPERATURE,
        progress=progress,
    )
    return NeighbourTransfer(
        score=score(predicted, features.y_test, per_class=features.about.per_class),
        k=k,
        metric=metric,
        temperature=TEMPERATURE if metric == "cosine" else None,
    )


def _split_features(
    encoder: FrozenEncoder,
    whole: ImageSet,
    part: ImageSet,
    name: str,
    cache: FeatureCache,
    progress: Progress,
) -> tuple[ReadableFeatures, bool]:
    """The features of the labelled `part` of a set, and whether they were cached."""
    facts = {
        "images": fingerprint(whole).text(),
        "resize": encoder.geometry.resize,
        "crop": encoder.geometry.crop,
        "mean": encoder.mean,
        "std": encoder.std,
        "precision": encoder.experiment.compute.precision,
    }
    found = cache.read(name, facts, len(part))
    if found is not None:
        return found, True
    features = encoder.features(part, progress)
    require_finite(features, part.split)
    known = readable(part)
    if known is None:
        known = torch.ones(len(part), dtype=torch.bool)
    found = ReadableFeatures(features[known.to(features.device)], known)
    cache.write(name, facts, found)
    return found, False


def _labelled_part(images: ImageSet, validation: Tensor | None) -> tuple[ImageSet, Tensor | None]:
    """The images with a label; others are those in memory that could not be read."""
    part = labelled(images)
    if part is None:
        raise DataError(f"no image of {images.split} has a label", f"{len(images):,} images")
    if validation is None or part is images:
        return part, validation
    return part, validation[_labels(images) != UNLABELLED]


def _readable_part(images: ImageSet, known: Tensor) -> ImageSet:
    return images if bool(known.all()) else images.take(known.nonzero()[:, 0])


def _labels(images: ImageSet) -> Tensor:
    assert images.labels is not None
    return images.labels


def _require_enough(found: SetFeatures) -> None:
    """Refuse a set on which a probe cannot be chosen: classes of one image, or too few neighbours."""
    images = torch.bincount(found.y_train)
    lone = int((images == 1).sum())
    if lone or len(found.y_train) < NEIGHBOURS or len(found.y_test) == 0:
        raise DataError(
            f"{found.about.name} has too few labelled images",
            f"{found.train_split} with {count(lone, 'class', 'classes')} of one image, {found.test_split}; "
            f"a probe needs 2 training images of each class, and {NEIGHBOURS} in all",
            next=("add images to these classes, or remove the classes",),
        )
