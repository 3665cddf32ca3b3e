"""A set of images: what every source of data returns and every pipeline reads.

An `ImageSet` returns single images as PIL images of any size. A set that is uniform and in
memory also has `pixels`, from which the batched pipeline reads whole batches at once. Labels are
optional; -1 marks an image without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from PIL import Image
from torch import Tensor

from wmse_tui.engine.data.fingerprint import Fingerprint
from wmse_tui.engine.data.sources.damaged import DamagedImages
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.main_memory import main_memory
from wmse_tui.runs.text.units import size

UNLABELLED = -1


class ImageSet(Protocol):
    """Images in a fixed order, each with or without a label."""

    @property
    def name(self) -> str:
        """The data set's name, as the configuration spells it."""

    @property
    def split(self) -> str:
        """Which part of the data set this is, as text: `train+unlabeled`, `test`, ..."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; empty where nothing is labelled."""

    @property
    def labels(self) -> Tensor | None:
        """Class numbers, int64 (images,), `UNLABELLED` where there is none; None if no image has one."""

    @property
    def pixels(self) -> Tensor | None:
        """All images, uint8 (images, 3, height, width), if they are in memory and of one size."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> Image.Image:
        """Image `index` as an RGB PIL image."""

    def take(self, indices: Tensor) -> ImageSet:
        """The images at `indices` (int64, one dimension), in that order, as a set of their own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MemoryImages:
    """An `ImageSet` of equally sized images that are all in memory.

    Args:
        name: the data set's name.
        split: which part of it.
        pixels: uint8 (images, 3, height, width).
        labels: int64 (images,), `UNLABELLED` where an image has none; None if no image has one.
        classes: the names of the classes, by number.
        fingerprint: the identity of the files that they were read from; None where it is that of the pixels.
        notices: facts about the images for people, a sentence each.
        damaged: the files that were passed over, if any were read; other pixels are in their positions, and
            they have no label.
    """

    name: str
    split: str
    pixels: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    fingerprint: Fingerprint | None = None
    notices: tuple[str, ...] = ()
    damaged: DamagedImages | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4 or self.pixels.shape[1] != 3:
            raise ValueError(f"pixels are uint8 (images, 3, height, width), not {_kind(self.pixels)}")
        labels = self.labels
        if labels is not None and (labels.dtype != torch.int64 or labels.shape != self.pixels.shape[:1]):
            raise ValueError(f"labels are int64 ({len(self.pixels)},), not {_kind(labels)}")

    def __len__(self) -> int:
        return len(self.pixels)

    def image(self, index: int) -> Image.Image:
        """Image `index` as an RGB PIL image."""
        return Image.fromarray(self.pixels[index].permute(1, 2, 0).contiguous().numpy())

    def take(self, indices: Tensor) -> Self:
        """The images at `indices` (int64, one dimension), in that order; the pixels are copied."""
        return type(self)(
            name=self.name,
            split=self.split,
            pixels=self.pixels[indices],
            labels=None if self.labels is None else self.labels[indices],
            classes=self.classes,
        )


def empty_pixels(count: int, height: int, width: int, split: str) -> Tensor:
    """Memory for images, uint8 (count, 3, height, width), of which the content is undefined.

    Raises:
        DataError: there is too little: a container or a batch job would be killed without a message.
    """
    needed, memory = 3 * count * height * width, main_memory()
    if needed > memory.free:
        raise DataError(
            "the images do not fit into the memory",
            f"{count:,} images of {split} need {size(needed)}, and {memory.text()}",
            next=(
                "start the run where more is free: a container or a batch job has a limit of its own",
                "or use fewer images: --set dataset.train_images=10000",
            ),
        )
    return torch.empty(count, 3, height, width, dtype=torch.uint8)


def _kind(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape)}"
