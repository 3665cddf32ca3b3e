"""Images as squares in a grid, for people to look at."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from wmse_tui.engine.data.reference import to_pixels


def square(image: Image.Image, size: int) -> Tensor:
    """The whole image in a square, on black where it is no square, uint8 (3, size, size)."""
    if image.size != (size, size):
        factor = size / max(image.size)
        width, height = (max(1, round(side * factor)) for side in image.size)
        fitted = image.resize((width, height), Image.Resampling.BICUBIC)
        image = Image.new("RGB", (size, size))
        image.paste(fitted, ((size - width) // 2, (size - height) // 2))
    return to_pixels(image)


def grid(columns: Tensor, scale: int = 1) -> Image.Image:
    """One image of uint8 squares (columns, rows, 3, size, size)."""
    count, rows, _, size, _ = columns.shape
    pixels = columns.permute(1, 3, 0, 4, 2).reshape(rows * size, count * size, 3)
    if scale > 1:
        pixels = pixels.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    return Image.fromarray(np.ascontiguousarray(pixels.to(torch.uint8).numpy()))
