"""Temporary statistics for the BatchNorms and whitening layers of an encoder that has not trained yet.

An untrained BatchNorm assumes mean 0 and variance 1 of every layer (and a whitening layer assumes white
features), which underrates an untrained encoder. The fair starting point, epoch 0 of a run,
uses the statistics of one pass over the training images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.distribution.ranks import ALONE, Group, Ranks
from wmse_tui.engine.evaluation.pixel_batches import Geometry, batch_sizes, pixel_batches
from wmse_tui.engine.models.running import RunningStatistics
from wmse_tui.engine.precision import Precision, autocast

from .dealt_batches import own_task, rounds
from .features import Normalisation, restored_modes
from .interruption import Progress, ShouldStop, never, no_progress


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
    ranks: Ranks = ALONE,
) -> Iterator[None]:
    """Within the block, BatchNorms and whitening layers of `encoder` have the statistics of `images`.

    Afterwards all is as before, to the bit. The statistics are the plain average over batches of (nearly)
    equal size, of images without augmentation, in one pass; other layers are in evaluation mode meanwhile.
    Arguments and errors are those of `extract_features`; all `ranks` have the statistics.

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
    batches = pixel_batches(
        images,
        Geometry(resize, crop),
        batch_size=batch_size,
        even=True,
        workers=workers,
        rank=ranks.rank,
        world=ranks.world,
    )
    sizes = batch_sizes(len(images), batch_size, even=True)
    try:
        with closing(batches), restored_modes(encoder), torch.no_grad():
            encoder.eval()
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # PyTorch's notation for the cumulative average
                norm.train()
            normalised, done = Normalisation(mean, std, device), 0
            for numbers in rounds(len(sizes), ranks, should_stop):
                with _averaged_in_turn(norms, ranks, len(numbers)):
                    if ranks.rank < len(numbers):
                        with ranks.working(own_task(numbers, ranks)), autocast(precision, device):
                            encoder(normalised(next(batches)))
                done += sum(sizes[number] for number in numbers)
                progress("batch norm", done, len(images), "images")
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        with torch.no_grad():
            for buffer, saved in buffers:  # in place: others may hold the same tensors
                buffer.copy_(saved)


@contextmanager
def _averaged_in_turn(norms: Sequence[nn.Module], ranks: Ranks, active: int) -> Iterator[None]:
    """Within this block each norm averages one batch of each of the first `active` ranks, in their order.

    A batch is normalised by itself, and only its share of the averages depends on those before it. So the
    ranks compute at once, and the averages of a norm go from one rank to the next as soon as its batch is in
    them: with the operations, and so the bits, of one process. Then all ranks have those of the last.
    """
    if not isinstance(ranks, Group):
        yield
        return

    def fetch(norm: nn.Module, _inputs: object) -> None:
        if ranks.rank:
            own = _averages(norm)
            _set_averages(norm, ranks.fetch(own.shape, own.dtype, ranks.rank - 1))

    def send(norm: nn.Module, _inputs: object, _output: object) -> None:
        if ranks.rank + 1 < active:
            ranks.send(_averages(norm), ranks.rank + 1)

    hooks = [norm.register_forward_pre_hook(fetch) for norm in norms]
    hooks += [norm.register_forward_hook(send) for norm in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    for norm in norms:
        _set_averages(norm, ranks.copy_of(_averages(norm), active - 1))


def _averages(norm: nn.Module) -> Tensor:
    """The buffers of a norm, float64 (numbers,): of float32 and counts nothing is lost."""
    return torch.cat([buffer.flatten().double() for buffer in norm.buffers(recurse=False)])


def _set_averages(norm: nn.Module, averages: Tensor) -> None:
    buffers = list(norm.buffers(recurse=False))
    for buffer, part in zip(buffers, averages.split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(part.view_as(buffer))
