"""Images in files: read when requested, or all into memory when they are alike and few enough."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wmse_tui.engine.data.fingerprint import Fingerprint, fingerprint_of_files
from wmse_tui.engine.data.images import UNLABELLED, ImageSet, MemoryImages, empty_pixels
from wmse_tui.engine.data.sources.damaged import DamagedImages, DamagedPolicy
from wmse_tui.engine.data.sources.image_file import (
    DamagedImage,
    DecodedImage,
    decode_cleaned,
    decode_image,
    may_hold_no_numbers,
    repairs,
    unreadable,
)
from wmse_tui.engine.data.sources.pixel_cache import CachedPixels, cached_pixels
from wmse_tui.engine.data.sources.progress import Progress, ProgressMeter
from wmse_tui.engine.data.sources.scan import count_text, listing
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.main_memory import main_memory
from wmse_tui.runs.process.cores import available_cores
from wmse_tui.runs.text.units import size

MEMORY_BYTES = 2 * 10**9
"""Sets of equally sized images up to this many bytes are decoded once, at the start."""

MEMORY_SHARE = 0.5
"""The share of the memory that this process may use, of which that must not be more."""

CHECKED_FILES = 250_000
"""Files of larger sets are not checked before training: on a network disk that needs minutes."""

MOST_NAMED = 1000
"""Damaged files of an error that the next attempt knows: more of them are beyond repair one by one."""

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
        damaged: those that are passed over, found so far by this process.
        classes: the names of the classes, by number.
        fingerprint: the identity of the set; None for a part of it.
        notices: facts about the images for people, a sentence each.
    """

    name: str
    split: str
    paths: NDArray[np.bytes_]
    why: str
    damaged: DamagedImages
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
        """Image `index` as an RGB PIL image; the next readable one where it is passed over.

        Raises:
            DataError: the file cannot be read or decoded, and is not passed over.
        """
        for offset in range(len(self)):
            image = self.readable_file((index + offset) % len(self))
            if image is not None:
                return image
        raise _none_readable(self.split)

    def readable_file(self, index: int) -> Image.Image | None:
        """What the file of image `index` holds, as an RGB PIL image; None where it is passed over.

        Raises:
            DataError: it cannot be read or decoded, and is not passed over.
        """
        path = self.path(index)
        if path in self.damaged.files:
            return None
        try:
            return decode_image(path)
        except DamagedImage as error:
            self.damaged.pass_over({path: error.reason}, error)
            return None

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
            damaged=self.damaged,
            labels=None if self.labels is None else self.labels[indices],
            classes=self.classes,
        )


def where(images: ImageSet, index: int) -> str:
    """Image `index` of a set as text, for errors: its file, if it has one."""
    return images.path(index) if isinstance(images, FileImages) else f"image {index} of {images.split}"


def readable(images: ImageSet) -> Tensor | None:
    """Which images of a set are not passed over, as far as is known: bool (images,); None: all."""
    if not isinstance(images, FileImages) or not images.damaged.files:
        return None  # those in memory that were passed over have no label
    damaged = np.array([os.fsencode(path) for path in images.damaged.files])
    return torch.from_numpy(~np.isin(images.paths, damaged))


def _none_readable(split: str) -> DataError:
    return DataError(f"no image of {split} can be read", "", next=repairs("each"))


def images_from_files(
    paths: Sequence[str],
    *,
    name: str,
    split: str,
    labels: Tensor | None,
    classes: tuple[str, ...],
    damaged: DamagedPolicy,
    progress: Progress,
) -> ImageSet:
    """An `ImageSet` of these files, in memory if all are of one size and together at most `MEMORY_BYTES`.

    What is found is cached on disk for the next time (`pixel_cache.py`), which opens only a sample of the
    files, to compare them.

    Raises:
        DataError: files that are no images (all of them are named before anything else), or one that cannot
            be decoded, and they are not passed over.
    """
    passed = DamagedImages(split, len(paths), damaged)
    if len(paths) > CHECKED_FILES:  # else it takes a moment
        progress(f"sampling {split} files", 0, 0, "files")
    identity = fingerprint_of_files(paths, labels, classes, named=damaged.named)
    cache = cached_pixels(paths, split, identity) if len(paths) <= CHECKED_FILES else None
    most = _most_bytes()[0]
    found = None if cache is None else cache.read(most, progress)
    if found is not None:
        for path, reason in found.damaged.items():
            passed.pass_over({path: reason}, DamagedImage(path, reason))
    else:
        if len(paths) <= CHECKED_FILES:
            _check_images(paths, passed, progress)
        pixels, cleaned = _decode_all(paths, passed, progress)
        examined = len(paths)
        if isinstance(pixels, str):
            examined, cleaned = _sampled_for_no_numbers(paths)
        found = CachedPixels(pixels, examined, cleaned, passed.files)
        if cache is not None:
            cache.write(found, most)
    if isinstance(found.pixels, Tensor):
        return MemoryImages(
            name=name,
            split=split,
            pixels=found.pixels,
            labels=_labels_without(passed.files, paths, labels),
            classes=classes,
            fingerprint=_without_damaged(identity, passed.files, paths),
            notices=_cleaned_notices(found, split),
            damaged=passed,
        )
    return FileImages(
        name=name,
        split=split,
        paths=np.array([os.fsencode(path) for path in paths]),
        why=found.pixels,
        damaged=passed,
        labels=labels,
        classes=classes,
        fingerprint=identity,
        notices=_cleaned_notices(found, split),
    )


def _cleaned_notices(found: CachedPixels, split: str) -> tuple[str, ...]:
    """The notice on files with values that are not finite numbers."""
    if not found.cleaned:
        return ()
    sampled = "sampled " if isinstance(found.pixels, str) else ""
    text = (
        f"{len(found.cleaned):,} of {found.examined:,} {sampled}files of {split} have values that are no "
        f"numbers (NaN, infinite or marked as no data), read as black: {listing(found.cleaned)}"
    )
    return (text,)


def _sampled_for_no_numbers(paths: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """The number of files sampled, of those that may have values that are no numbers; those that have."""
    suspects = [path for path in paths if may_hold_no_numbers(path)]
    chosen = suspects[:: -(-len(suspects) // SAMPLED_FLOATS) or 1]
    cleaned = []
    for path in chosen:
        with suppress(DamagedImage):  # reported when the image is needed
            if decode_cleaned(path).cleaned:
                cleaned.append(path)
    return len(chosen), tuple(cleaned)


def _without_damaged(identity: Fingerprint, damaged: Mapping[str, str], paths: Sequence[str]) -> Fingerprint:
    """A fingerprint in which files that are passed over do not count, as those named by earlier attempts."""
    if not damaged:
        return identity
    indices = {index for index, path in enumerate(paths) if path in damaged}
    return replace(identity, named=identity.named | indices)


def _labels_without(damaged: Mapping[str, str], paths: Sequence[str], labels: Tensor | None) -> Tensor | None:
    if labels is None or not damaged:
        return labels
    return torch.where(torch.tensor([path in damaged for path in paths]), UNLABELLED, labels)


def _check_images(paths: Sequence[str], passed: DamagedImages, progress: Progress) -> None:
    meter = ProgressMeter(progress, f"checking {passed.split} files", total=len(paths), unit="files")

    def check(start: int) -> list[tuple[str, str]]:
        chunk = paths[start : start + _CHUNK]
        return [(path, what) for path in chunk if (what := unreadable(path)) is not None]

    damaged: dict[str, str] = {}
    with ThreadPoolExecutor(_THREADS) as pool:  # threads hide the latency of network disks
        for found in pool.map(check, range(0, len(paths), _CHUNK)):
            damaged.update(found)
            meter.advance(min(_CHUNK, len(paths) - meter.done))
    named = tuple(path for path in damaged if not passed.policy.removed(path))
    error = DataError(
        f"{count_text(len(named), 'file')} of {len(paths):,} cannot be read as images",
        listing(tuple(f"{path} ({damaged[path]})" for path in named), 10),
        next=repairs("each"),
        files=named[:MOST_NAMED],
    )
    passed.pass_over(damaged, error)


def _most_bytes() -> tuple[int, str]:
    """The most bytes of images that are decoded into memory; why so few, where the machine limits them.

    The total counts, not what is free: a run that is resumed should read its images as it did before.
    """
    share = int(MEMORY_SHARE * main_memory().total)
    if share >= MEMORY_BYTES:
        return MEMORY_BYTES, ""
    return share, f": {MEMORY_SHARE:.0%} of the memory that this process may use"


def _decode_all(
    paths: Sequence[str], passed: DamagedImages, progress: Progress
) -> tuple[Tensor | str, tuple[str, ...]]:
    """All images as uint8 (images, 3, height, width); why not, if they differ in size or are too many.

    Also the files with values that are no numbers. An image that is passed over is a copy of the next one.
    """

    def decoded(path: str) -> DecodedImage | None:
        if path in passed.files:
            return None
        try:
            return decode_cleaned(path)
        except DamagedImage as error:
            passed.pass_over({path: error.reason}, error)
            return None

    first = next(filter(None, map(decoded, paths)), None)
    if first is None:
        raise _none_readable(passed.split)
    width, height = first.picture.size
    needed = len(paths) * 3 * height * width
    most, reason = _most_bytes()
    if needed > most:
        why = (
            f"{count_text(len(paths), 'image')} of the size of the first ({width} x {height}) would need "
            f"{size(needed)} of memory, and {size(most)} is the most{reason}"
        )
        return why, ()
    pixels = empty_pixels(len(paths), height, width, passed.split)
    rows = pixels.numpy()
    meter = ProgressMeter(progress, f"decoding {passed.split} images", total=len(paths), unit="images")

    cleaned: list[str] = []

    def fill(start: int) -> str:
        for index, path in enumerate(paths[start : start + _CHUNK], start):
            content = decoded(path)
            if content is None:
                continue
            image, replaced = content
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
    if passed.files:
        usable = [path not in passed.files for path in paths]
        following = next(index for index, is_usable in enumerate(usable) if is_usable)
        for index in reversed(range(len(paths))):
            if usable[index]:
                following = index
            else:
                pixels[index] = pixels[following]
    return pixels, tuple(sorted(cleaned))
