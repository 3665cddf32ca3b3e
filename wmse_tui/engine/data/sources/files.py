"""Images in files: read when requested, or all into memory when they are alike and few enough."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wmse_tui.engine.data.fingerprint import Fingerprint, fingerprint_of_files
from wmse_tui.engine.data.images import ImageSet, MemoryImages
from wmse_tui.engine.data.sources.image_file import (
    decode_cleaned,
    decode_image,
    may_hold_no_numbers,
    unreadable,
)
from wmse_tui.engine.data.sources.pixel_cache import cached_pixels
from wmse_tui.engine.data.sources.progress import Progress, ProgressMeter
from wmse_tui.engine.data.sources.scan import count_text, listing
from wmse_tui.engine.errors import DataError
from wmse_tui.runs.process.cores import available_cores
from wmse_tui.runs.text.units import size

MEMORY_BYTES = 2 * 10**9
"""Sets of equally sized images up to this many bytes are decoded once, at the start."""

CHECKED_FILES = 250_000
"""Files of larger sets are not checked before training: on a network disk that needs minutes."""

SAMPLED_FLOATS = 64
"""Files such as TIFFs that are checked for values that are not finite, where not all are decoded first."""

_CHUNK = 256
_THREADED_PIXELS = 128 * 128
_THREADS = min(8, available_cores())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileImages:
    """An `ImageSet` of files that are decoded when requested.

    Args:
        name: the data set's name.
        split: which part of it.
        paths: the files, as one array of bytes (images,): worker processes share it, where a list would be
            copied.
        labels: int64 (images,), or None.
        why: they are not decoded into memory, for people.
        classes: the names of the classes, by number.
        fingerprint: the identity of the set; None for a part of it.
        notices: facts about the images for people, a sentence each.
    """

    name: str
    split: str
    paths: NDArray[np.bytes_]
    why: str
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    fingerprint: Fingerprint | None = None
    notices: tuple[str, ...] = ()

    @property
    def pixels(self) -> Tensor | None:
        """Never in memory."""
        return None

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Image.Image:
        """Image `index` as an RGB PIL image.

        Raises:
            DataError: the file cannot be read or decoded.
        """
        return decode_image(self.path(index))

    def path(self, index: int) -> str:
        """The file of image `index`."""
        return os.fsdecode(self.paths[index])

    def take(self, indices: Tensor) -> Self:
        """The images at `indices` (int64, one dimension), in that order."""
        return type(self)(
            name=self.name,
            split=self.split,
            paths=self.paths[indices.numpy()],
            why=self.why,
            labels=None if self.labels is None else self.labels[indices],
            classes=self.classes,
        )


def where(images: ImageSet, index: int) -> str:
    """Image `index` of a set as text, for errors: its file, if it has one."""
    return images.path(index) if isinstance(images, FileImages) else f"image {index} of {images.split}"


def images_from_files(
    paths: Sequence[str],
    *,
    name: str,
    split: str,
    labels: Tensor | None,
    classes: tuple[str, ...],
    progress: Progress,
) -> ImageSet:
    """An `ImageSet` of these files, in memory if all are of one size and together at most `MEMORY_BYTES`.

    The pixels of many files are cached on disk for the next time (`pixel_cache.py`).

    Raises:
        DataError: files that are no images (all of them are named before anything else), or one that cannot
            be decoded.
    """
    if len(paths) > CHECKED_FILES:  # else it takes a moment
        progress(f"sampling {split} files", 0, 0, "files")
    identity = fingerprint_of_files(paths, labels, classes)
    cache = cached_pixels(paths, split, identity) if len(paths) <= CHECKED_FILES else None
    found = None if cache is None else cache.read(progress)
    pixels: Tensor | str
    if found is not None:
        pixels, cleaned = found
    else:
        if len(paths) <= CHECKED_FILES:
            _require_images(paths, split, progress)
        pixels, cleaned = _decode_all(paths, split, progress)
        if cache is not None and isinstance(pixels, Tensor):
            cache.write(pixels, cleaned)
    if isinstance(pixels, Tensor):
        return MemoryImages(
            name=name,
            split=split,
            pixels=pixels,
            labels=labels,
            classes=classes,
            fingerprint=identity,
            notices=_cleaned_notices(cleaned, len(paths), split),
        )
    return FileImages(
        name=name,
        split=split,
        paths=np.array([os.fsencode(path) for path in paths]),
        why=pixels,
        labels=labels,
        classes=classes,
        fingerprint=identity,
        notices=_sampled_notices(paths, split),
    )


def _cleaned_notices(cleaned: Sequence[str], count: int, split: str, sampled: str = "") -> tuple[str, ...]:
    """The notice on files with values that are not finite numbers."""
    if not cleaned:
        return ()
    text = (
        f"{len(cleaned):,} of {count:,} {sampled}files of {split} have values that are no numbers "
        f"(NaN, infinite or marked as no data), read as black: {listing(tuple(cleaned))}"
    )
    return (text,)


def _sampled_notices(paths: Sequence[str], split: str) -> tuple[str, ...]:
    """As `_cleaned_notices`, of a sample of the files that may be of that kind."""
    suspects = [path for path in paths if may_hold_no_numbers(path)]
    chosen = suspects[:: -(-len(suspects) // SAMPLED_FLOATS) or 1]
    cleaned = []
    for path in chosen:
        with suppress(DataError):  # reported when the image is needed
            if decode_cleaned(path).cleaned:
                cleaned.append(path)
    return _cleaned_notices(cleaned, len(chosen), split, "sampled ")


def _require_images(paths: Sequence[str], split: str, progress: Progress) -> None:
    meter = ProgressMeter(progress, f"checking {split} files", total=len(paths), unit="files")

    def check(start: int) -> list[str]:
        chunk = paths[start : start + _CHUNK]
        return [f"{path} ({what})" for path in chunk if (what := unreadable(path)) is not None]

    damaged: list[str] = []
    with ThreadPoolExecutor(_THREADS) as pool:  # threads hide the latency of network disks
        for found in pool.map(check, range(0, len(paths), _CHUNK)):
            damaged += found
            meter.advance(min(_CHUNK, len(paths) - meter.done))
    if damaged:
        raise DataError(
            f"{count_text(len(damaged), 'file')} of {len(paths):,} cannot be read as images",
            listing(tuple(damaged), 10),
            next=("replace them or move them out of the folder, and start again",),
        )


def _decode_all(paths: Sequence[str], split: str, progress: Progress) -> tuple[Tensor | str, tuple[str, ...]]:
    """All images as uint8 (images, 3, height, width); why not, if they differ in size or are too many.

    Also the files with values that are no numbers.
    """
    width, height = decode_cleaned(paths[0]).picture.size
    needed = len(paths) * 3 * height * width
    if needed > MEMORY_BYTES:
        why = (
            f"{count_text(len(paths), 'image')} of the size of the first ({width} x {height}) would need "
            f"{size(needed)} of memory, and {size(MEMORY_BYTES)} is the most"
        )
        return why, ()
    pixels = torch.empty(len(paths), 3, height, width, dtype=torch.uint8)
    rows = pixels.numpy()
    meter = ProgressMeter(progress, f"decoding {split} images", total=len(paths), unit="images")

    cleaned: list[str] = []

    def fill(start: int) -> str:
        for index, path in enumerate(paths[start : start + _CHUNK], start):
            image, replaced = decode_cleaned(path)
            if replaced:
                cleaned.append(path)
            if image.size != (width, height):
                there = f"{image.width} x {image.height}"
                return f"they differ in size ({width} x {height} and {there} pixels among others)"
            rows[index] = np.asarray(image).transpose(2, 0, 1)
        return ""

    # decoding small images is mostly Python, where threads only get in each other's way
    with ThreadPoolExecutor(_THREADS if width * height >= _THREADED_PIXELS else 1) as pool:
        parts = [pool.submit(fill, start) for start in range(0, len(paths), _CHUNK)]
        try:
            for part in parts:  # in order, so that the first fault in the set is the one reported
                differ = part.result()
                if differ:
                    return differ, ()
                meter.advance(min(_CHUNK, len(paths) - meter.done))
        finally:
            pool.shutdown(cancel_futures=True)
    return pixels, tuple(sorted(cleaned))
