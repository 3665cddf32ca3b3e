"""Images for an evaluation: not augmented, resized and cropped as configured, in batches of bytes.

Resizing is Pillow's antialiased bicubic, as in the paper's code. Images that are in memory and need no
resizing are sliced and never pass through Pillow; all others are decoded and resized by a few threads (Pillow
leaves the interpreter lock while it works), in order, at most two batches ahead of the consumer.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pil

from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.sources.files import where
from wmse_tui.engine.errors import DataError
from wmse_tui.runs.process.cores import own_cores

MAX_WORKERS = 8
MOST_PIXELS = 2**24
"""Pixels of a resized image; a strip of the web, 60,000 x 1, would have 4 billion."""
BORDER = 4  # pixels beyond the crop, of the larger of both sizes: more than a bicubic filter needs


@dataclass(frozen=True, slots=True)
class Geometry:
    """The shorter side to `resize` px, then the `crop` px square in the middle; None leaves a step out."""

    resize: int | None = None
    crop: int | None = None


def pixel_batches(
    images: ImageSet,
    geometry: Geometry,
    *,
    batch_size: int,
    even: bool = False,
    workers: int | None = None,
    rank: int = 0,
    world: int = 1,
) -> Generator[Tensor, None, None]:
    """All images in order, as uint8 batches (batch, 3, height, width) on the CPU or where the set has them.

    Args:
        even: make the batches as equal in size as can be (they differ by at most one image) instead of
            leaving a shorter last one.
        workers: threads that decode and resize; this process's part of the cores, at most 8, when None.
        rank, world: of the batches, each `world`-th from number `rank` on.

    Raises:
        DataError: images of one batch differ in size, or are smaller than the crop.
    """
    bounds = _bounds(len(images), batch_size, even=even)[rank::world]
    pixels = images.pixels
    if pixels is not None and are_sliced(images, geometry):
        for first, last in bounds:
            yield _cropped(pixels[first:last], geometry.crop)
        return
    yield from _decoded(images, geometry, bounds, workers)


def are_sliced(images: ImageSet, geometry: Geometry) -> bool:
    """Whether batches of the images are parts of what is in memory: nothing is decoded or resized."""
    return images.pixels is not None and geometry.resize in (None, min(images.pixels.shape[-2:]))


def batch_sizes(count: int, batch_size: int, *, even: bool = False) -> list[int]:
    """The images of each batch of `pixel_batches`, of all ranks."""
    return [last - first for first, last in _bounds(count, batch_size, even=even)]


def _bounds(count: int, batch_size: int, *, even: bool) -> list[tuple[int, int]]:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    batches = -(-count // batch_size)
    if even:
        return [(count * i // batches, count * (i + 1) // batches) for i in range(batches)]
    return [(i * batch_size, min((i + 1) * batch_size, count)) for i in range(batches)]


def _cropped(pixels: Tensor, crop: int | None) -> Tensor:
    if crop is None:
        return pixels
    height, width = pixels.shape[-2:]
    _check_crop(width, height, crop, "all of them")
    cropped: Tensor = pil.center_crop(pixels, [crop, crop])
    return cropped


def _check_crop(width: int, height: int, crop: int, where: str) -> None:
    if min(width, height) < crop:
        raise DataError(
            "an image is smaller than the evaluation's crop",
            f"{width} x {height} px, and the crop needs {crop} x {crop} ({where})",
            next=(f"set dataset.eval_resize to {crop} or more", "use a smaller dataset.eval_crop"),
        )


def _decoded(
    images: ImageSet, geometry: Geometry, bounds: list[tuple[int, int]], workers: int | None
) -> Generator[Tensor, None, None]:
    def load(index: int) -> Tensor:
        return _image(images.image(index), geometry, where(images, index))

    count = min(MAX_WORKERS, own_cores()) if workers is None else max(1, workers)
    ahead: deque[list[Future[Tensor]]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="evaluation")
    try:
        for first, last in bounds:
            ahead.append([pool.submit(load, index) for index in range(first, last)])
            if len(ahead) > 2:
                yield _stacked(ahead.popleft())
        while ahead:
            yield _stacked(ahead.popleft())
    finally:  # also when the consumer stops early or an image cannot be read
        pool.shutdown(cancel_futures=True)


def _image(image: Image.Image, geometry: Geometry, where: str) -> Tensor:
    if geometry.resize is not None:
        image = _resized(image, geometry.resize, geometry.crop, where)
    if geometry.crop is not None:
        _check_crop(*image.size, geometry.crop, where)
        image = pil.center_crop(image, [geometry.crop, geometry.crop])
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def _resized(image: Image.Image, side: int, crop: int | None, where: str) -> Image.Image:
    """An image with its shorter side `side`; of one that is then enormous only what the crop needs.

    Raises:
        DataError: it would be enormous, and nothing is cropped.
    """
    short, long = sorted(image.size)
    if side * side * long > MOST_PIXELS * short:
        if crop is None:
            raise DataError(
                "an image is too long to be resized",
                f"{where}: {image.width} x {image.height} px with a shorter side of {side} px would have "
                f"{side * side * long // short:,} pixels, {MOST_PIXELS:,} are the most",
                next=("set dataset.eval_crop: then only its middle is resized", "or remove the image"),
            )
        keep = min(
            long, max(short, math.ceil(crop * short / side)) + math.ceil(BORDER * max(1, short / side))
        )
        image = pil.center_crop(image, [min(image.height, keep), min(image.width, keep)])
    resized: Image.Image = pil.resize(image, side, InterpolationMode.BICUBIC)
    return resized


def _stacked(futures: list[Future[Tensor]]) -> Tensor:
    batch = [future.result() for future in futures]
    sizes = {(image.shape[2], image.shape[1]) for image in batch}
    if len(sizes) > 1:
        (w1, h1), (w2, h2) = sorted(sizes)[0], sorted(sizes)[-1]
        raise DataError(
            "the evaluation's images differ in size",
            f"{w1} x {h1} px and {w2} x {h2} px are among them, and a batch needs one size",
            next=("set dataset.eval_resize (shorter side) and dataset.eval_crop (square from the middle)",),
        )
    return torch.stack(batch)
