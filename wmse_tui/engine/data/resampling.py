"""Crop, resize, flip and blur of whole batches, each image with its own box, as two small matrices per image.

Resampling is linear and separable: `vertical @ image @ horizontalᵀ`. A row of a matrix holds the weights
with which one row of the view mixes the rows of the image. The weights are those of the antialiased bicubic
filter (Keys 1981 with a = -0.5, widened when shrinking), cut off at the border of the crop box and scaled
to sum 1, as Pillow and torchvision do. A flip reverses the rows of the horizontal matrix; a blur multiplies
both from the left.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wmse_tui.engine.data.view_parameters import ViewParameters

CUBIC_REACH = 2.0  # pixels after which the cubic filter is zero
BLUR_REACH = 4.0  # standard deviations after which the Gaussian is taken as zero (6e-5 of its weight)


def resample(images: Tensor, parameters: ViewParameters, *, size: int) -> Tensor:
    """Crop, resize to `size` x `size`, flip and blur.

    Args:
        images: float (n, 3, height, width), on the CPU; a GPU has `device_views.py`.
        parameters: of n views.
        size: of the views in pixels.

    Returns:
        float (n, 3, size, size). Values may leave the range of `images`, as bicubic filters overshoot.
    """
    n, channels, height, width = images.shape
    numbers = torch.cat((parameters.box, parameters.flipped[:, None]), dim=1).to(images.dtype)
    top, left, box_height, box_width, flipped = numbers.unbind(1)
    vertical = resize_matrices(top, box_height, source=height, size=size)
    horizontal = resize_matrices(left, box_width, source=width, size=size, flipped=flipped)
    blurred = parameters.blur.nonzero()[:, 0]
    if len(blurred):
        sigma = parameters.blur[blurred].to(images.dtype)
        blur = blur_matrices(sigma, size=size, largest=float(sigma.max()))
        vertical[blurred] = blur @ vertical[blurred]
        horizontal[blurred] = blur @ horizontal[blurred]
    narrow = torch.bmm(images.reshape(n, channels * height, width), horizontal.mT)
    narrow = narrow.view(n, channels, height, size)
    views = images.new_empty(n, channels, size, size)
    for channel in range(channels):
        views[:, channel] = torch.bmm(vertical, narrow[:, channel])
    return views


def resize_matrices(
    start: Tensor, length: Tensor, *, source: int, size: int, flipped: Tensor | None = None
) -> Tensor:
    """Matrices (n, size, source) that resize `length` pixels of each row, from `start` on, to `size`.

    Args:
        start: float (n,), first pixel of each box.
        length: float (n,), pixels in each box.
        source: length of the rows.
        size: length of the result.
        flipped: float (n,), 1 where the result is to be reversed, else 0.
    """
    scale = (length / size)[:, None]
    output = torch.arange(size, device=start.device, dtype=start.dtype) + 0.5
    if flipped is None:
        position = output.expand(len(start), size)
    else:
        position = output + flipped[:, None] * (size - 2 * output)
    centre = position * scale + start[:, None]
    # A row has few weights that are not zero: they are computed alone, and scattered into the matrix.
    width = scale.clamp_min(1)
    taps = min(source, math.ceil(2 * CUBIC_REACH * max(1.0, source / size)))
    first = (centre - CUBIC_REACH * width - 0.5).floor_().add_(1).clamp_(0, source - taps)
    pixel = first[:, :, None] + torch.arange(taps, device=start.device, dtype=start.dtype)
    weights = _cubic((pixel + 0.5 - centre[:, :, None]).div_(width[:, :, None]).abs_())
    weights *= (pixel >= start[:, None, None]) & (pixel < (start + length)[:, None, None])
    weights /= weights.sum(-1, keepdim=True)
    return weights.new_zeros(len(start), size, source).scatter_(2, pixel.long(), weights)


def _cubic(t: Tensor) -> Tensor:
    """Keys' kernel, a = -0.5, at t ≥ 0: ½v²(v - 1) + u²(1 - 2u) with u = (1 - t)₊ and v = (2 - t)₊."""
    u = (1 - t).clamp_min_(0)
    v = (2 - t).clamp_min_(0)
    inner = (u * u).mul_((u * -2).add_(1))
    return (v * v).mul_(v.sub_(1)).mul_(0.5).add_(inner)


def blur_matrices(sigma: Tensor, *, size: int, largest: float) -> Tensor:
    """Matrices (n, size, size) of a Gaussian blur; the border pixel is repeated beyond it, as in Pillow.

    Args:
        sigma: float (n,), standard deviations in pixels, above 0.
        size: length of the rows.
        largest: the largest of `sigma`, known on the CPU.
    """
    reach = math.ceil(BLUR_REACH * largest)
    offset = torch.arange(-reach, reach + 1, device=sigma.device)
    taps = torch.exp(-0.5 * (offset / sigma[:, None]).square())
    taps = taps / taps.sum(1, keepdim=True)
    output = torch.arange(size, device=sigma.device)
    mixed_pixel = (output + offset[:, None]).clamp_(0, size - 1)  # (taps, size)
    where = torch.nn.functional.one_hot(mixed_pixel, size).to(sigma.dtype).flatten(1)
    return (taps @ where).view(-1, size, size)
