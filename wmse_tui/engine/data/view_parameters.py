"""How each view of each image is changed: the laws of the augmentations, drawn in bulk.

The numbers come from counted randomness. The laws are torchvision's (`ColorJitter`, `RandomGrayscale`,
`RandomResizedCrop`, `RandomHorizontalFlip`) in the order of the paper's code: jitter, grayscale, crop,
flip, blur. All pipelines, the one of single PIL images and those of whole batches, use the parameters
drawn here, so they make the same views.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from wmse_tui.engine.random import uniforms

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
ORDERS = torch.tensor(list(permutations((BRIGHTNESS, CONTRAST, SATURATION, HUE))))  # (24, 4)
CANDIDATES = 10  # boxes that RandomResizedCrop tries before it falls back

# Which uniform number decides what. Appending is safe; a change of these changes the views of every seed.
JITTER_P, FACTORS, ORDER, INVERT_P, GRAYSCALE_P, FLIP_P, BLUR_P, BLUR_SIGMA, TOP, LEFT = (
    0,
    1,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
)
AREAS = slice(13, 13 + CANDIDATES)
RATIOS = slice(AREAS.stop, AREAS.stop + CANDIDATES)
SLOTS = RATIOS.stop


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewLaw:
    """The distribution of views, in torchvision's terms. The law of the defaults leaves an image as it is.

    `brightness`, `contrast`, `saturation`: half the width of the factor's range around 1 (cut at 0). `hue`:
    half the width of the shift's range around 0, in turns. `jitter_p`: how often these four are applied,
    together and in random order. `invert_p`, `grayscale_p`, `flip_p`, `blur_p`: probabilities.
    `crop_scale`: the crop's share of the image's area; `crop_ratio`: its width over its height.
    `blur_sigma`: pixels of the finished view.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    jitter_p: float = 1.0
    invert_p: float = 0.0
    grayscale_p: float = 0.0
    crop_scale: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (1.0, 1.0)
    flip_p: float = 0.0
    blur_p: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)


class View(NamedTuple):
    """The parameters of one view as plain numbers; the fields are those of `ViewParameters`."""

    brightness: float
    contrast: float
    saturation: float
    hue: float
    order: list[int]
    inverted: bool
    grayscale: bool
    box: list[int]
    flipped: bool
    blur: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewParameters:
    """What is done to each of n images.

    brightness, contrast, saturation: float32 (n,), factors; 1 changes nothing.
    hue: float32 (n,), shift in turns; 0 changes nothing.
    order: int64 (n, 4), the operations BRIGHTNESS, CONTRAST, SATURATION and HUE from first to last.
    inverted, grayscale, flipped: bool (n,).
    box: int64 (n, 4), top, left, height and width of the crop, in pixels of the image.
    blur: float32 (n,), standard deviation in pixels of the finished view; 0 is no blur.
    """

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    order: Tensor
    inverted: Tensor
    grayscale: Tensor
    box: Tensor
    flipped: Tensor
    blur: Tensor

    def __len__(self) -> int:
        return len(self.hue)

    def __getitem__(self, rows: slice | Tensor) -> ViewParameters:
        return ViewParameters(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def to(self, device: torch.device | str) -> ViewParameters:
        return ViewParameters(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def views(self) -> Iterator[View]:
        """The rows one by one, as plain numbers."""
        columns = (getattr(self, name).tolist() for name in View._fields)
        return (View(*row) for row in zip(*columns, strict=True))


def concatenate(several: Sequence[ViewParameters]) -> ViewParameters:
    """The parameters of several groups of images, one group after the other."""
    return ViewParameters(
        **{
            field.name: torch.cat([getattr(parameters, field.name) for parameters in several])
            for field in fields(ViewParameters)
        }
    )


def draw_parameters(
    law: ViewLaw,
    *,
    seed: int,
    epoch: int | Tensor,
    indices: Tensor,
    view: int | Tensor,
    heights: int | Tensor,
    widths: int | Tensor,
    orders: Tensor = ORDERS,
) -> ViewParameters:
    """Draw view number `view` of the images `indices` in an epoch, on the device of `indices`.

    Nothing is copied from the host if the tensors are there too, so that a GPU can record it. All numbers
    have the bits of a CPU's. But a box comes from an exponential in float64, whose last bit a GPU may round
    otherwise: a side within 1e-13 px of a half may become a pixel longer or shorter.

    Args:
        law: the distribution.
        seed: of the run.
        epoch: from 0; a number, or int64 ().
        indices: int64 (n,), the images' numbers in their set.
        view: from 0, one for all or int64 (n,). Views of one image are independent.
        heights: of the images in pixels, one for all or int64 (n,).
        widths: likewise.
        orders: `ORDERS`, which is fastest on the device of the indices.
    """
    u = uniforms(seed=seed, epoch=epoch, indices=indices, view=view, slots=SLOTS)
    jittered = u[:, JITTER_P] < law.jitter_p
    factors = u[:, FACTORS : FACTORS + 4]

    def factor(operation: int, strength: float) -> Tensor:
        low, high = max(0.0, 1 - strength), 1 + strength
        return torch.where(jittered, low + (high - low) * factors[:, operation], 1.0)

    low, high = law.blur_sigma
    return ViewParameters(
        brightness=factor(BRIGHTNESS, law.brightness),
        contrast=factor(CONTRAST, law.contrast),
        saturation=factor(SATURATION, law.saturation),
        hue=torch.where(jittered, law.hue * (2 * factors[:, HUE] - 1), 0.0),
        order=orders.to(indices.device)[(u[:, ORDER] * len(orders)).long()],
        inverted=u[:, INVERT_P] < law.invert_p,
        grayscale=u[:, GRAYSCALE_P] < law.grayscale_p,
        box=_draw_boxes(law, u.double(), heights, widths),
        flipped=u[:, FLIP_P] < law.flip_p,
        blur=torch.where(u[:, BLUR_P] < law.blur_p, low + (high - low) * u[:, BLUR_SIGMA], 0.0),
    )


def _draw_boxes(law: ViewLaw, u: Tensor, heights: int | Tensor, widths: int | Tensor) -> Tensor:
    """Boxes (n, 4) by the law of RandomResizedCrop: the first candidate that fits, else the central one."""
    image_h, image_w = (
        side.to(u.device) if isinstance(side, Tensor) else torch.full((len(u),), side, device=u.device)
        for side in (heights, widths)
    )
    (scale_low, scale_high), (ratio_low, ratio_high) = (
        law.crop_scale,
        torch.tensor(law.crop_ratio).double().log(),
    )
    area = (image_h * image_w)[:, None] * (scale_low + (scale_high - scale_low) * u[:, AREAS])
    ratio = torch.exp(ratio_low + (ratio_high - ratio_low) * u[:, RATIOS])
    candidate_w = (area * ratio).sqrt().round().long()
    candidate_h = (area / ratio).sqrt().round().long()
    fits = (
        (candidate_w > 0)
        & (candidate_w <= image_w[:, None])
        & (candidate_h > 0)
        & (candidate_h <= image_h[:, None])
    )
    first = fits.to(torch.uint8).argmax(1, keepdim=True)  # of several largest the first
    h, w = candidate_h.gather(1, first)[:, 0], candidate_w.gather(1, first)[:, 0]
    top = (u[:, TOP] * (image_h - h + 1)).long()
    left = (u[:, LEFT] * (image_w - w + 1)).long()
    drawn = torch.stack((top, left, h, w), dim=1)
    return torch.where(fits.any(1, keepdim=True), drawn, _central_boxes(law, image_h, image_w))


def _central_boxes(law: ViewLaw, image_h: Tensor, image_w: Tensor) -> Tensor:
    """The largest central boxes (n, 4) whose ratio the law allows."""
    narrowest, widest = law.crop_ratio
    h = torch.minimum(image_h, (image_w / narrowest).round().long())
    w = torch.minimum(image_w, (image_h * widest).round().long())
    return torch.stack(((image_h - h) // 2, (image_w - w) // 2, h, w), dim=1)
