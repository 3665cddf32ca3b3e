"""The batched pipeline: uint8 images of one size in, normalised views out, without a loop over images.

It follows the reference pipeline step by step: jitter, inversion, grayscale, crop, flip, blur. Inversion
and grayscale wait until the crop is cut, since they commute with resampling and the view is often the
smaller image. The difference to the reference is that Pillow rounds to 8 bits after each step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wmse_tui.engine.data.colour import grayscale, jitter_, order_keys
from wmse_tui.engine.data.device_views import device_views
from wmse_tui.engine.data.resampling import resample
from wmse_tui.engine.data.view_parameters import ViewParameters, concatenate
from wmse_tui.engine.transfer import to_device

CPU_CHUNK_PIXELS = 2**18  # per chunk: what the cache holds; larger chunks are slower


def normalise_(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(images - mean) / std in place; float (..., 3, height, width), mean and std per channel."""
    shift, scale = to_device(torch.tensor((mean, std), dtype=images.dtype)[:, :, None, None], images.device)
    return images.sub_(shift).div_(scale)


def make_views(
    pixels: Tensor,
    rows: Tensor,
    drawn: Sequence[ViewParameters],
    *,
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    covered: Tensor | None = None,
) -> Tensor:
    """Make some views of each of n images, on the device of their pixels.

    Args:
        pixels: uint8 (images, 3, height, width), the whole set.
        rows: int64 (n,), which images, on the CPU.
        drawn: for each view its parameters for the n images, on the CPU.
        size: height and width of the views in pixels.
        mean, std: per channel, for values in [0, 1].
        covered: float32 (n,), on the CPU: the share of its area that each image fills, from the top left on,
            where the rest is black padding that must not show in the views; None: all of it.

    Returns:
        float32 (views, n, 3, size, size), (view - mean) / std with the view in [0, 1].
    """
    if pixels.device.type == "cpu":
        views = torch.empty(len(drawn), len(rows), 3, size, size)
        for out, parameters in zip(views, drawn, strict=True):
            _augment(out, pixels, rows, parameters, mean=mean, std=std, covered=covered)
        return views
    count = len(drawn)
    made: Tensor = device_views(
        pixels,
        rows.repeat(count),
        concatenate(drawn),
        size=size,
        mean=mean,
        std=std,
        covered=None if covered is None else covered.repeat(count),
    )
    return made.view(count, len(rows), *made.shape[1:])


def _augment(
    out: Tensor,
    pixels: Tensor,
    rows: Tensor,
    parameters: ViewParameters,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    covered: Tensor | None,
) -> None:
    """Write one view of each of n images into `out` (n, 3, size, size); all on the CPU."""
    chunk = max(16, CPU_CHUNK_PIXELS // (pixels.shape[2] * pixels.shape[3]))
    # Images that share the order of their colour operations come together.
    for part in order_keys(parameters).argsort(stable=True).split(chunk):
        images = pixels.index_select(0, rows[part])  # 20 times as fast as pixels[rows[part]]
        share = None if covered is None else covered[part]
        made = normalise_(_augment_chunk(images, parameters[part], out.shape[-1], share), mean, std)
        out.index_copy_(0, part, made)


def _augment_chunk(images: Tensor, parameters: ViewParameters, size: int, covered: Tensor | None) -> Tensor:
    """Views in [0, 1] of uint8 images (n, 3, height, width)."""
    coloured = jitter_(images.to(torch.float32).div_(255), parameters, covered)
    views = resample(coloured, parameters, size=size)
    if parameters.inverted.any():
        sign = 1 - 2 * parameters.inverted[:, None, None, None].float()
        views.mul_(sign).add_(0.5 - 0.5 * sign)
    grey = parameters.grayscale.nonzero()[:, 0]
    if len(grey):
        views[grey] = grayscale(views.index_select(0, grey)).expand(-1, 3, -1, -1)
    return views.clamp_(0, 1)
