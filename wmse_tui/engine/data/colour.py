"""Colour operations of the CPU on whole batches, each image with its own factors and its own order.

Images that have the operations in the same order, one after the other, are changed together, in pieces that
stay in the cache. Values as torchvision's operations on float images. A GPU does the same in fewer launches
(`device_views.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from wmse_tui.engine.data.view_parameters import BRIGHTNESS, CONTRAST, HUE, SATURATION, ViewParameters

GRAY = (0.2989, 0.587, 0.114)  # ITU-R BT.601 luma, rounded as torchvision rounds it


def order_keys(parameters: ViewParameters) -> Tensor:
    """A number int64 (n,) for each order of operations; -1 for images without any."""
    digits = parameters.order.new_tensor((64, 16, 4, 1))
    return torch.where(_jittered(parameters), (parameters.order * digits).sum(1), -1)


def _jittered(parameters: ViewParameters) -> Tensor:
    factors = (parameters.brightness, parameters.contrast, parameters.saturation)
    return (torch.stack(factors) != 1).any(0) | (parameters.hue != 0)


def jitter_(images: Tensor, parameters: ViewParameters, covered: Tensor | None = None) -> Tensor:
    """Change brightness, contrast, saturation and hue in place; fastest where equal orders are side by side.

    Args:
        images: float (n, 3, height, width) in [0, 1].
        parameters: of n views. Operations that change no image of the batch cost nothing.
        covered: float32 (n,): the share of the area that is the image, where the rest is black padding:
            contrast is changed about the mean of the image alone. The values of the padding are undefined.
            None: all of it.
    """
    by_operation = (parameters.brightness, parameters.contrast, parameters.saturation, parameters.hue)
    neutral = (1.0, 1.0, 1.0, 0.0)
    used = [bool((by != none).any()) for by, none in zip(by_operation, neutral, strict=True)]
    keys, lengths = torch.unique_consecutive(order_keys(parameters), return_counts=True)
    first = 0
    for key, length in zip(keys.tolist(), lengths.tolist(), strict=True):
        run = slice(first, first + length)
        if key >= 0:
            for operation in parameters.order[first].tolist():
                if used[operation] and operation == CONTRAST:
                    share = None if covered is None else covered[run]
                    _contrast_(images[run], parameters.contrast[run], share)
                elif used[operation]:
                    _OPERATIONS[operation](images[run], by_operation[operation][run])
        first += length
    return images


def _brighten_(images: Tensor, factor: Tensor) -> None:
    images.mul_(factor[:, None, None, None]).clamp_max_(1)


def _contrast_(images: Tensor, factor: Tensor, covered: Tensor | None) -> None:
    weight = 1 - factor if covered is None else (1 - factor) / covered
    offset = weight * _mean_of_gray(images)
    images.mul_(factor[:, None, None, None]).add_(offset[:, None, None, None]).clamp_(0, 1)


def _saturate_(images: Tensor, factor: Tensor) -> None:
    gray = grayscale(images).mul_((1 - factor)[:, None, None, None])
    images.mul_(factor[:, None, None, None]).add_(gray).clamp_(0, 1)


def _mean_of_gray(images: Tensor) -> Tensor:
    return images.mean((2, 3)) @ images.new_tensor(GRAY)


def grayscale(images: Tensor) -> Tensor:
    """The luma of `images` (n, 3, height, width), as (n, 1, height, width)."""
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return red.mul(GRAY[0]).add_(green, alpha=GRAY[1]).add_(blue, alpha=GRAY[2])


def shift_hue_(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of float `images` (n, 3, height, width) by `shift` (n,) turns; value and chroma stay.

    A channel of the HSV hexagon is V - C·clamp(2 - 6·d, 0, 1), where V is the largest channel, C the largest
    minus the smallest, and d the distance in turns, around the circle, between the hue and the colour
    opposite to red (½), green (5/6) or blue (1/6).
    """
    red, green, blue = images.unbind(1)
    value = torch.maximum(red, green)
    chroma = torch.minimum(red, green)
    chroma = torch.sub(value.clamp_min_(blue), torch.minimum(chroma, blue), out=chroma)
    scale = chroma.clamp_min(1e-12).reciprocal_().mul_(1 / 6)  # grey pixels have no hue, and any will do
    hue = torch.where(
        red == value,
        (green - blue).mul_(scale),
        torch.where(
            green == value, (blue - red).mul_(scale).add_(1 / 3), (red - green).mul_(scale).add_(2 / 3)
        ),
    )
    hue += (shift + 0.5)[:, None, None]
    distance, turns = scale, torch.empty_like(scale)
    for channel, opposite in enumerate((0.0, 1 / 3, -1 / 3)):
        torch.sub(hue, opposite, out=distance)
        distance.sub_(torch.round(distance, out=turns)).abs_()
        darkness = distance.mul_(-6).add_(2).clamp_(0, 1)
        torch.addcmul(value, chroma, darkness, value=-1, out=images[:, channel])
    return images


_OPERATIONS = {BRIGHTNESS: _brighten_, SATURATION: _saturate_, HUE: shift_hue_}
