"""What an evaluation reports beside accuracies: the spectrum of the encoder's features, and their map."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data
from wmse_tui.engine.data.images import UNLABELLED, ImageSet
from wmse_tui.engine.data.sources.files import readable
from wmse_tui.engine.diagnostics.sample import sample_diagnostics
from wmse_tui.engine.distribution.ranks import ALONE, Ranks
from wmse_tui.engine.models.encoder_whitening import EncoderWhitening
from wmse_tui.runs.log.events import Artifact, Diagnostics, Event, Notice
from wmse_tui.runs.state.embedding import NEWEST_MAP, drop_maps, map_name

from .embedding_map import MAP_IMAGES, choose_images, map_points, publish_map, read_points
from .features import require_finite
from .interruption import Progress, ShouldStop, never, no_progress
from .lidar import encoder_lidar
from .probes import features_of, labelled


class EmbeddingMapWriter:
    """Maps the features of a few test images at each evaluation, always of the same ones.

    Args:
        data: its test images are shown; where it has none, training images.
        experiment: `evaluation.map` is how they are mapped.
        folder: gives the folder of the map's file, which may be moved meanwhile; it exists.
        write: writes an event.
    """

    def __init__(
        self,
        data: Data,
        experiment: Experiment,
        *,
        folder: Callable[[], Path],
        write: Callable[[Event], None],
    ) -> None:
        self._data = data
        self._experiment = experiment
        self._folder = folder
        self._write_event = write
        self._previous = read_points(folder() / NEWEST_MAP)
        self._refused = False
        self._images = _mapped_images(data)
        labels = self._images.labels
        self._labels = torch.full((len(self._images),), UNLABELLED) if labels is None else labels.cpu()
        self._chosen = choose_images(self._labels, most=MAP_IMAGES)
        self._features: Tensor | None = None

    def use_features(self, features: Tensor, labels: Tensor) -> None:
        """Save those of the features (images, dim) of all labelled test images that are mapped next."""
        assert len(labels) == len(self._labels)
        self._features = features[self._chosen.to(features.device)].cpu()

    def write(
        self,
        encoder: torch.nn.Module,
        device: torch.device,
        *,
        epoch: int,
        step: int,
        progress: Progress = no_progress,
        should_stop: ShouldStop = never,
        ranks: Ranks = ALONE,
    ) -> None:
        """Write the spectrum of the latest features to the log, and publish their map; on rank 0.

        Features that no probe has needed are computed now; but not those of an untrained encoder, which would
        need the statistics of the training images first. A disk that refuses the map stops nothing.
        `ranks` encode the views of LiDAR together; the few images of the map are rank 0's.

        Raises:
            DataError, Diverged: an image cannot be read, or its features are not finite.
            EvaluationInterrupted: `should_stop` returned true.
        """
        features, self._features = self._features, None
        if features is None:
            if step == 0:
                return
            images = self._images.take(self._chosen)
            features, _ = features_of(
                encoder, images, self._data, self._experiment, device, progress, should_stop
            )
            features = features.cpu()
        require_finite(features, self._images.split)
        self._write_event(self._sample(encoder, features, device, step, epoch, progress, should_stop, ranks))
        kind = self._experiment.evaluation.map
        if kind == "off":
            return
        progress("map", 0, len(features), "images")
        started = time.perf_counter()
        points, kind = map_points(features, kind, previous=self._previous, should_stop=should_stop)
        self._previous = points
        known = readable(self._images)
        labels = self._labels if known is None else torch.where(known, self._labels, UNLABELLED)
        labels, classes = labels[self._chosen], self._images.classes
        try:
            folder = self._folder()
            for name in (map_name(step), NEWEST_MAP):
                publish_map(folder / name, points, labels, classes, step=step, epoch=epoch, kind=kind)
            drop_maps(folder)
        except OSError as error:
            if not self._refused:
                text = f"the embedding map of step {step} could not be saved: {error.strerror or error}"
                self._write_event(Notice(level="warning", code="N_MAP_REFUSED", text=text))
            self._refused = True
            return
        self._refused = False
        seconds = time.perf_counter() - started
        self._write_event(
            Artifact(kind="embedding", file=NEWEST_MAP, step=step, epoch=epoch, seconds=seconds)
        )

    def _sample(
        self,
        encoder: torch.nn.Module,
        features: Tensor,
        device: torch.device,
        step: int,
        epoch: int,
        progress: Progress,
        should_stop: ShouldStop,
        ranks: Ranks,
    ) -> Diagnostics:
        """The spectrum of the features, and LiDAR where it is configured, except of an untrained encoder."""
        lidar: tuple[float | None, float | None] = (None, None)
        if self._experiment.evaluation.lidar_images and step:
            lidar = encoder_lidar(
                encoder,
                self._data.train,
                self._experiment,
                device,
                progress=progress,
                should_stop=should_stop,
                ranks=ranks,
            )
        whitens = any(isinstance(module, EncoderWhitening) for module in encoder.modules())
        return sample_diagnostics(
            features[None],
            space="encoder",
            step=step,
            epoch=epoch,
            whitened=features[None] if whitens else None,
            lidar=lidar,
            running=True,
        )


def _mapped_images(data: Data) -> ImageSet:
    """The labelled test images; without labels all of them; without test images those of training."""
    if data.probe_test is None:
        return data.train
    with_label = labelled(data.probe_test)
    return data.probe_test if with_label is None else with_label
