"""Views of images of different sizes by the batched pipeline: in one tensor, with black beside the smaller.

Black stays black until an image's contrast is changed, and that happens once; the mean that it needs is of
the image alone, therefore, when the sum is divided by the image's own area. Crops do not reach beyond an
image. So the padding is nowhere in the views (`augment`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from wmse_tui.engine.data.batched import CPU_CHUNK_PIXELS

DEVICE_PART_PIXELS = 2**24  # 200 MB as floats, a few times over; smaller parts also hold less padding


def chunks(heights: Tensor, widths: Tensor, device: torch.device) -> Iterator[Tensor]:
    """All images, int64 (n,), in parts of bounded memory when padded to their largest.

    Args:
        heights, widths: int64 (images,), px. Those alike come together.
        device: where the parts are to be padded.
    """
    budget = CPU_CHUNK_PIXELS if device.type == "cpu" else DEVICE_PART_PIXELS
    sizes = list(zip(heights.tolist(), widths.tolist(), strict=True))
    part: list[int] = []
    widest = 0
    for row in sorted(range(len(sizes)), key=sizes.__getitem__):
        height, width = sizes[row]  # the highest so far
        if part and (len(part) + 1) * height * max(width, widest) > budget:
            yield torch.tensor(part)
            part, widest = [], 0
        part.append(row)
        widest = max(width, widest)
    if part:
        yield torch.tensor(part)


def pad(images: Sequence[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    """Images of different sizes in one tensor on `device`.

    Args:
        images: uint8 (3, height, width) each, on any device.

    Returns:
        uint8 (n, 3, height, width), each image at the top left and black beside it; and float32 (n,), on the
        CPU, the share of the area that each image covers.
    """
    height, width = (max(image.shape[side] for image in images) for side in (1, 2))
    padded = torch.zeros(len(images), 3, height, width, dtype=torch.uint8, device=device)
    for target, image in zip(padded, images, strict=True):
        target[:, : image.shape[1], : image.shape[2]].copy_(image)
    areas = torch.tensor([image.shape[1] * image.shape[2] for image in images])
    return padded, areas / (height * width)
