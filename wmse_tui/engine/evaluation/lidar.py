"""LiDAR of an encoder: a pass of its own, over many views of a few training images."""

from __future__ import annotations

from contextlib import closing

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.diagnostics.noise import noise_lidar
from wmse_tui.engine.diagnostics.quantities import lidar
from wmse_tui.engine.distribution.ranks import ALONE, Kind, Message, Ranks
from wmse_tui.engine.precision import autocast

from .dealt_batches import dealt_results
from .features import restored_modes
from .interruption import Progress, ShouldStop, never, no_progress

VIEWS_AT_ONCE = 1024


def encoder_lidar(
    encoder: torch.nn.Module,
    images: ImageSet,
    experiment: Experiment,
    device: torch.device,
    *,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
    ranks: Ranks = ALONE,
) -> tuple[float | None, float | None]:
    """LiDAR of the features of `evaluation.lidar_views` views of `evaluation.lidar_images` images.

    The images are evenly sampled and always the same, and so are their views, which follow the law of the
    training. The encoder is in evaluation mode meanwhile; it and all random states are afterwards as before.
    `ranks` encode batches in turn, as of `evaluate`.

    Returns:
        LiDAR, None where it cannot be computed; and that of isotropic noise. On another rank than 0 None.

    Raises:
        EngineError: an image cannot be read.
        EvaluationInterrupted: `should_stop` returned true.
    """
    options = experiment.evaluation
    count, views = min(options.lidar_images, len(images)), options.lidar_views
    at_once = min(count, max(1, VIEWS_AT_ONCE // views))
    count -= count % at_once  # whole batches
    chosen = torch.linspace(0, len(images) - 1, count, dtype=torch.float64).round().long()
    plan = experiment.model_copy(
        update={
            "augmentation": experiment.augmentation.model_copy(update={"views": views}),
            "schedule": experiment.schedule.model_copy(update={"batch_size": at_once}),
        }
    )
    if ranks.rank == 0:
        ranks.announce(Message(Kind.LIDAR))
    found: list[Tensor] = []
    batches = build_batches(
        images.take(chosen), plan, device, rank=ranks.rank, world=ranks.world, whole_batches=True
    )

    def encoded(batch: Tensor) -> Tensor:
        with autocast(experiment.compute.precision, device):
            features = encoder(batch.flatten(0, 1))
        by_view: Tensor = features.float().cpu().unflatten(0, (views, at_once))
        return by_view.transpose(0, 1)

    sizes = [at_once] * (count // at_once)
    with closing(batches), restored_modes(encoder), torch.no_grad():
        encoder.eval()
        for part in dealt_results(batches.epoch(0), encoded, sizes, ranks, should_stop):
            found.append(part)
            progress("lidar", len(found) * at_once, count, "images")
    if ranks.rank:
        return None, None
    features = torch.cat(found)
    return lidar(features), noise_lidar(*features.shape)
