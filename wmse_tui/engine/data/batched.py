"""The batched pipeline: uint8 images of one size in, normalised views out, without a loop over images.

It follows the reference pipeline step by step: jitter, inversion, grayscale, crop, flip, blur. Inversion
and grayscale wait until the crop is cut, since they commute with resampling and the view is often the
smaller image. The difference to the reference is that Pillow rounds to 8 bits after each step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wmse_tui.engine.data.colour import grayscale, jitter_, order_keys, to_device
from wmse_tui.engine.data.parameters import ViewParameters
from wmse_tui.engine.data.resampling import resample

CPU_CHUNK_PIXELS = 2**18  # per chunk: what the cache holds; larger chunks are slower
DEVICE_CHUNK_PIXELS = 2**26  # per chunk: bounds the temporary memory to a few GB


def normalise_(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(images - mean) / std in place; float (..., 3, height, width), mean and std per channel."""
    shift, scale = to_device(torch.tensor((mean, std), dtype=images.dtype)[:, :, None, None], images.device)
    return images.sub_(shift).div_(scale)


def augment(
    pixels: Tensor,
    rows: Tensor,
    parameters: ViewParameters,
    *,
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    covered: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Make one view of each of n images.

    Args:
        pixels: uint8 (images, 3, height, width), the whole set, on any device; the views are made there.
        rows: int64 (n,), which images, on the CPU.
        parameters: of the n views, on the CPU.
        size: height and width of the views in pixels.
        mean, std: per channel, for values in [0, 1].
        covered: float32 (n,), on the CPU: the share of its area that each image fills, from the top left on,
            where the rest is black padding that must not show in the views; None: all of it.
        out: where to put the views, if not in a new tensor.

    Returns:
        float32 (n, 3, size, size), (view - mean) / std with the view in [0, 1].
    """
    views = torch.empty(len(rows), 3, size, size, device=pixels.device) if out is None else out
    budget = CPU_CHUNK_PIXELS if pixels.device.type == "cpu" else DEVICE_CHUNK_PIXELS
    chunk = max(16, budget // (pixels.shape[2] * pixels.shape[3]))
    # Images that share the order of their colour operations come together.
    for part in order_keys(parameters).argsort(stable=True).split(chunk):
        images = pixels.index_select(
            0, to_device(rows[part], pixels.device)
        )  # on a CPU 20 times as fast as [ ]
        share = None if covered is None else covered[part]
        made = normalise_(_augment_chunk(images, parameters[part], size, share), mean, std)
        views.index_copy_(0, to_device(part, pixels.device), made)
    return views


def _augment_chunk(images: Tensor, parameters: ViewParameters, size: int, covered: Tensor | None) -> Tensor:
    """Views in [0, 1] of uint8 images (n, 3, height, width)."""
    coloured = jitter_(images.to(torch.float32).div_(255), parameters, covered)
    views = resample(coloured, parameters, size=size)
    if parameters.inverted.any():
        sign = to_device(1 - 2 * parameters.inverted[:, None, None, None].float(), views.device)
        views.mul_(sign).add_(0.5 - 0.5 * sign)
    grey = parameters.grayscale.nonzero()[:, 0]
    if len(grey):
        at = to_device(grey, views.device)
        views[at] = grayscale(views.index_select(0, at)).expand(-1, 3, -1, -1)
    return views.clamp_(0, 1)
