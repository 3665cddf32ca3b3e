"""Colour operations on whole batches, each image with its own factors and its own order.

Brightness, contrast and saturation are one formula with different numbers per image, so "the first
operation of each image" is one tensor expression although it is brightness here and contrast there. Hue is
different; it is applied to the group of images that have it at this place of their order. The groups are
formed on the CPU, where the parameters are drawn, so nothing waits for a device. Values as torchvision's
operations on float images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wmse_tui.engine.data.parameters import CONTRAST, HUE, SATURATION, ViewParameters

GRAY = (0.2989, 0.587, 0.114)  # ITU-R BT.601 luma, rounded as torchvision rounds it


def jitter_(images: Tensor, parameters: ViewParameters) -> Tensor:
    """Change brightness, contrast, saturation and hue in place.

    Args:
        images: float (n, 3, height, width) in [0, 1].
        parameters: of n views, on the CPU. Operations that change no image of the batch cost nothing.
    """
    factors = torch.stack((parameters.brightness, parameters.contrast, parameters.saturation), dim=1)
    used = torch.cat(((factors != 1).any(0), torch.tensor([False])))  # per operation; hue goes its own way
    blends = used[parameters.order]  # (n, 4): is this place of the order a blend that somebody uses?
    operations = parameters.order[blends].view(len(images), -1)
    factors = factors.gather(1, operations)
    hue_place = blends.cumsum(1)[parameters.order == HUE]  # how many blends come before hue
    for place in range(operations.shape[1] + 1):
        shifted = ((hue_place == place) & (parameters.hue != 0)).nonzero()[:, 0]
        if len(shifted):
            rows = send(shifted, images.device)
            images[rows] = shift_hue(images[rows], send(parameters.hue[shifted], images.device))
        if place < operations.shape[1]:
            _blend_(images, operations[:, place], factors[:, place])
    return images


def _blend_(images: Tensor, operations: Tensor, factors: Tensor) -> None:
    """f·x + (1-f)·other, where the other image is black, the mean of the grey image, or the grey image."""
    to_mean = (1 - factors) * (operations == CONTRAST)
    to_gray = (1 - factors) * (operations == SATURATION)
    factor, mean_weight, gray_weight = send(
        torch.stack((factors, to_mean, to_gray))[..., None, None, None], images.device
    )
    others = []
    if (to_mean != 0).any():
        mean = sum(weight * images[:, channel].mean((1, 2)) for channel, weight in enumerate(GRAY))
        others.append(mean_weight * torch.as_tensor(mean)[:, None, None, None])
    if (to_gray != 0).any():
        others.append(gray_weight * grayscale(images))
    images.mul_(factor)
    for other in others:
        images.add_(other)
    images.clamp_(0, 1)


def grayscale(images: Tensor) -> Tensor:
    """The luma of `images` (n, 3, height, width), as (n, 1, height, width)."""
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return red.mul(GRAY[0]).add_(green, alpha=GRAY[1]).add_(blue, alpha=GRAY[2])


def shift_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of float `images` (n, 3, height, width) by `shift` (n,) turns; value and chroma stay.

    A channel of the HSV hexagon is V - C·clamp(min(k, 4 - k), 0, 1) with k = (5, 3, 1) + 6·hue (mod 6) for
    red, green and blue, where V is the largest channel and C the largest minus the smallest.
    """
    red, green, blue = images.unbind(1)
    value, smallest = images.amax(1), images.amin(1)
    chroma = value - smallest
    scale = chroma.clamp_min(1e-12).reciprocal_()  # grey pixels have no hue, and any will do
    hue = torch.where(
        red == value,
        (green - blue) * scale,
        torch.where(green == value, (blue - red) * scale + 2, (red - green) * scale + 4),
    )
    hue += 6 * shift[:, None, None]
    result = torch.empty_like(images)
    for channel, offset in enumerate((5.0, 3.0, 1.0)):
        k = (hue + offset).remainder_(6)
        darkness = torch.minimum(k, 4 - k).clamp_(0, 1)
        torch.addcmul(value, chroma, darkness, value=-1, out=result[:, channel])
    return result


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Move `tensor` from the CPU without waiting for the device."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
