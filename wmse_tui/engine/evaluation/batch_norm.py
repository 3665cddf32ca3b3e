"""Temporary statistics for the BatchNorms and whitening layers of an encoder that has not trained yet.

An untrained BatchNorm assumes mean 0 and variance 1 of every layer (and a whitening layer assumes white
features), which underrates an untrained encoder. The fair starting point, epoch 0 of a run,
uses the statistics of one pass over the training images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.evaluation.pixel_batches import Geometry, pixel_batches
from wmse_tui.engine.models.running import RunningStatistics
from wmse_tui.engine.precision import Precision, autocast

from .features import Normalisation, restored_modes
from .interruption import Progress, ShouldStop, check, never, no_progress


@contextmanager
def calibrated_batch_norm(
    encoder: nn.Module,
    images: ImageSet,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    resize: int | None = None,
    crop: int | None = None,
    batch_size: int = 1000,
    device: torch.device | str = "cpu",
    precision: Precision = "float32",
    workers: int | None = None,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> Iterator[None]:
    """Within the block, BatchNorms and whitening layers of `encoder` have the statistics of `images`.

    Afterwards all is as before, to the bit. The statistics are the plain average over batches of (nearly)
    equal size, of images without augmentation, in one pass; other layers are in evaluation mode meanwhile.
    Arguments and errors are those of `extract_features`.

    Example:
        >>> import torch
        >>> from wmse_tui.engine.data.images import MemoryImages
        >>> pixels = torch.full((4, 3, 8, 8), 255, dtype=torch.uint8)
        >>> images = MemoryImages(name="mine", split="train", pixels=pixels)
        >>> encoder = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Flatten())
        >>> with calibrated_batch_norm(encoder, images, mean=[0.5] * 3, std=[0.5] * 3):
        ...     encoder[0].running_mean.tolist()
        [1.0, 1.0, 1.0]
        >>> encoder[0].running_mean.tolist()
        [0.0, 0.0, 0.0]
    """
    device = torch.device(device)
    kinds = (_BatchNorm, RunningStatistics)
    norms = [m for m in encoder.modules() if isinstance(m, kinds) and m.track_running_stats]
    buffers = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers(recurse=False)]
    momenta = [norm.momentum for norm in norms]
    batches = pixel_batches(images, Geometry(resize, crop), batch_size=batch_size, even=True, workers=workers)
    try:
        with closing(batches), restored_modes(encoder), torch.no_grad():
            encoder.eval()
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # PyTorch's notation for the cumulative average
                norm.train()
            normalised, done = Normalisation(mean, std, device), 0
            for pixels in batches:
                check(should_stop)
                with autocast(precision, device):
                    encoder(normalised(pixels))
                done += len(pixels)
                progress("batch norm", done, len(images), "images")
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        with torch.no_grad():
            for buffer, saved in buffers:  # in place: others may hold the same tensors
                buffer.copy_(saved)
