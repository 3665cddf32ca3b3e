"""The reference pipeline: one PIL picture at a time, with torchvision's operations, as the paper's code.

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
from wmse_tui.engine.data.view_parameters import BRIGHTNESS, CONTRAST, HUE, SATURATION, View
from wmse_tui.engine.errors import EngineError

Picture = Image.Image
NO_CHANGE = {BRIGHTNESS: 1.0, CONTRAST: 1.0, SATURATION: 1.0, HUE: 0.0}
ADJUST: dict[int, Callable[[Picture, float], Picture]] = {
    BRIGHTNESS: tv.adjust_brightness,
    CONTRAST: tv.adjust_contrast,
    SATURATION: tv.adjust_saturation,
    HUE: tv.adjust_hue,
}


class BatchKey(NamedTuple):
    """Which images of which epoch make a batch: what the sampler sends to a worker."""

    epoch: int
    indices: Tensor


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

    def __getitems__(self, key: BatchKey) -> Tensor | EngineError:
        """The views of a batch, uint8 (views, batch, 3, size, size).

        An `EngineError` is returned, not raised: raised in a worker it would lose all but its text.
        """
        try:
            pictures = [self.images.image(index) for index in key.indices.tolist()]
        except EngineError as error:
            return error
        size = self.plan.size
        sizes = torch.tensor([picture.size for picture in pictures])
        batch = torch.empty(self.plan.views, len(pictures), 3, size, size, dtype=torch.uint8)
        drawn = self.plan.parameters(
            epoch=key.epoch, indices=key.indices, heights=sizes[:, 1], widths=sizes[:, 0]
        )
        for views, parameters in zip(batch, drawn, strict=True):
            for out, picture, view in zip(views, pictures, parameters.views(), strict=True):
                out.copy_(to_pixels(augment_picture(picture, view, size)))
        return batch


def augment_picture(picture: Picture, view: View, size: int) -> Picture:
    """One view, `size` x `size`, of an RGB picture."""
    for operation in view.order:
        factor = (view.brightness, view.contrast, view.saturation, view.hue)[operation]
        if factor != NO_CHANGE[operation]:
            picture = ADJUST[operation](picture, factor)
    if view.inverted:
        picture = ImageOps.invert(picture)
    if view.grayscale:
        picture = tv.to_grayscale(picture, num_output_channels=3)
    picture = tv.resized_crop(picture, *view.box, [size, size], InterpolationMode.BICUBIC)
    if view.flipped:
        picture = tv.hflip(picture)
    if view.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(view.blur))
    return picture


def to_pixels(picture: Picture) -> Tensor:
    """An RGB picture as uint8 (3, height, width)."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
