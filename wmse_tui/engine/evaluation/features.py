"""Features of a frozen encoder: each image once, without augmentation, in evaluation mode.

Nothing outside the returned tensors changes: the modules' training flags are restored, and no global random
state is used, so that a run continues to the same bits whether or not it was evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import torch
from torch import Tensor, nn

from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.distribution.ranks import ALONE, Ranks
from wmse_tui.engine.errors import Diverged
from wmse_tui.engine.evaluation.pixel_batches import Geometry, batch_sizes, pixel_batches
from wmse_tui.engine.precision import Precision, autocast

from .dealt_batches import dealt_results
from .interruption import Progress, ShouldStop, never, no_progress


def extract_features(
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
) -> tuple[Tensor, Tensor | None]:
    """Encode every image of the set, in order.

    Args:
        encoder: maps (batch, 3, height, width) to (batch, dim); it must be on `device` already.
        mean, std: per channel, of pixels in [0, 1].
        resize, crop: shorter side in px, then square from the middle in px; None leaves the step out.
        batch_size: images per forward pass; the last batch may be shorter. The result does not depend on it
            but for rounding.
        precision: "bfloat16" runs the encoder under autocast.
        ranks: those that call this together, and encode batches in turn. All features are on rank 0.

    Returns:
        Features (images, dim) float32 and labels (images,) int64, both on `device`; no labels where the set
        has none. On another rank than 0 there are no features.

    Raises:
        ValueError: the set is empty.
        DataError: sizes do not fit (see `pixel_batches`), or an image cannot be read.
        EvaluationInterrupted: `should_stop` returned true.

    Example:
        >>> import torch
        >>> from wmse_tui.engine.data.images import MemoryImages
        >>> pixels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        >>> images = MemoryImages(name="mine", split="train", pixels=pixels, labels=torch.arange(4))
        >>> encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 5))
        >>> features, labels = extract_features(encoder, images, mean=[0.5] * 3, std=[0.5] * 3)
        >>> features.shape, labels.tolist()
        (torch.Size([4, 5]), [0, 1, 2, 3])
    """
    if len(images) == 0:
        raise ValueError("the image set is empty")
    device = torch.device(device)
    normalised = Normalisation(mean, std, device)
    features = torch.empty(0, 0, device=device)
    done = 0
    batches = pixel_batches(
        images,
        Geometry(resize, crop),
        batch_size=batch_size,
        workers=workers,
        rank=ranks.rank,
        world=ranks.world,
    )

    def encoded(pixels: Tensor) -> Tensor:
        with autocast(precision, device):
            output: Tensor = encoder(normalised(pixels))
        return output

    sizes = batch_sizes(len(images), batch_size)
    with closing(batches), restored_modes(encoder), torch.no_grad():
        encoder.eval()
        for output in dealt_results(batches, encoded, sizes, ranks, should_stop):
            if not done:  # the whole result at once: joining batches later would need it twice
                features = torch.empty(len(images), output.shape[1], device=device)
            features[done : done + len(output)] = output
            done += len(output)
            progress("features", done, len(images), "images")
    return features, None if images.labels is None else images.labels.to(device)


class Normalisation:
    """uint8 pixels (batch, 3, height, width) to float32 on a device: from [0, 1], standardised by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self.mean = torch.tensor(mean, dtype=torch.float32, device=device)[:, None, None]
        self.std = torch.tensor(std, dtype=torch.float32, device=device)[:, None, None]

    def __call__(self, pixels: Tensor) -> Tensor:
        return pixels.to(self.mean.device).float().div_(255).sub_(self.mean).div_(self.std)


@contextmanager
def restored_modes(module: nn.Module) -> Iterator[None]:
    """Restore the training flag of every submodule at the end."""
    before = [(each, each.training) for each in module.modules()]
    try:
        yield
    finally:
        for each, training in before:
            each.training = training


def require_finite(features: Tensor, images: str) -> None:
    """Refuse features (images, dim) that are not numbers, in which nothing is near and nothing is spread.

    Args:
        images: where they come from, for people.

    Raises:
        Diverged: a feature is not finite.
    """
    finite = features.isfinite()
    if not finite.all():
        raise Diverged(
            "the encoder's features are not finite",
            f"{int((~finite).any(1).sum()):,} of {len(features):,} images of {images}",
            next=("lower optimizer.lr", "evaluate an earlier checkpoint"),
        )
