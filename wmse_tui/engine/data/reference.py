"""The reference pipeline: one PIL image at a time, with torchvision's operations, as the paper's code.

It reads images of any sizes, from files as well as from memory, and runs in the worker processes of a
DataLoader. Its randomness is counted, so the number of workers changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.plan import ViewPlan
from wmse_tui.engine.data.sources.files import FileImages
from wmse_tui.engine.data.view_parameters import BRIGHTNESS, CONTRAST, HUE, SATURATION, View
from wmse_tui.engine.errors import EngineError

PilImage = Image.Image
NO_CHANGE = {BRIGHTNESS: 1.0, CONTRAST: 1.0, SATURATION: 1.0, HUE: 0.0}
ADJUST: dict[int, Callable[[PilImage, float], PilImage]] = {
    BRIGHTNESS: tv.adjust_brightness,
    CONTRAST: tv.adjust_contrast,
    SATURATION: tv.adjust_saturation,
    HUE: tv.adjust_hue,
}


class BatchKey(NamedTuple):
    """Which images of which epoch make a batch: what the sampler sends to a worker."""

    epoch: int
    indices: Tensor


class PreparedBatch(NamedTuple):
    """What a worker makes of a `BatchKey`.

    Attributes:
        views: uint8 (views, batch, 3, size, size).
        damaged: image files that were found to be damaged meanwhile, with the reasons.
    """

    views: Tensor
    damaged: dict[str, str]


class ReferenceViews(Dataset[Tensor]):
    """Batches of views for a DataLoader whose `batch_sampler` gives `BatchKey`s.

    Args:
        images: the set.
        plan: how views are made.
    """

    def __init__(self, images: ImageSet, plan: ViewPlan) -> None:
        self.images, self.plan = images, plan

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, key: BatchKey) -> PreparedBatch | EngineError:
        """The views of a batch.

        An `EngineError` is returned, not raised: raised in a worker it would lose all but its text.
        """
        known = self._passed_over()
        try:
            images = [self.images.image(index) for index in key.indices.tolist()]
        except EngineError as error:
            return error
        size = self.plan.size
        sizes = torch.tensor([image.size for image in images])
        batch = torch.empty(self.plan.views, len(images), 3, size, size, dtype=torch.uint8)
        drawn = self.plan.parameters(
            epoch=key.epoch, indices=key.indices, heights=sizes[:, 1], widths=sizes[:, 0]
        )
        for views, parameters in zip(batch, drawn, strict=True):
            for out, image, view in zip(views, images, parameters.views(), strict=True):
                out.copy_(to_pixels(augment_image(image, view, size)))
        new = {path: reason for path, reason in self._passed_over().items() if path not in known}
        return PreparedBatch(batch, new)

    def _passed_over(self) -> dict[str, str]:
        return dict(self.images.damaged.files) if isinstance(self.images, FileImages) else {}


def augment_image(image: PilImage, view: View, size: int) -> PilImage:
    """One view, `size` x `size`, of an RGB image."""
    for operation in view.order:
        factor = (view.brightness, view.contrast, view.saturation, view.hue)[operation]
        if factor != NO_CHANGE[operation]:
            image = ADJUST[operation](image, factor)
    if view.inverted:
        image = ImageOps.invert(image)
    if view.grayscale:
        image = tv.to_grayscale(image, num_output_channels=3)
    image = tv.resized_crop(image, *view.box, [size, size], InterpolationMode.BICUBIC)
    if view.flipped:
        image = tv.hflip(image)
    if view.blur:
        image = image.filter(ImageFilter.GaussianBlur(view.blur))
    return image


def to_pixels(image: PilImage) -> Tensor:
    """An RGB image as uint8 (3, height, width)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
