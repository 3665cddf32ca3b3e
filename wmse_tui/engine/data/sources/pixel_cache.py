"""A cache of decoded images on disk: images of one size are decoded once, not at every start of a run.

It stores exactly the pixels that decoding gives, so it changes no result and may be deleted at any time. An
entry is named after its image files; its header line has hashes of their sizes, times of change and sampled
contents (archives may give every file one time). If any differs, the images are decoded again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO, NamedTuple

import torch
from torch import Tensor

from wmse_tui.config.atomic import replacing, sync_folder
from wmse_tui.config.locations import cache_dir
from wmse_tui.config.regular_files import open_regular
from wmse_tui.engine.data.fingerprint import Fingerprint
from wmse_tui.engine.data.sources.progress import Progress, ProgressMeter

MIN_IMAGES = 2000
"""Decoding fewer is as fast as checking the cache."""

FREE_SPACE_FACTOR = 4
"""An entry is written only if the disk has this many times its size free."""

_FORMAT = 3
_HEADER = 1 << 26  # bytes, most of them names of files with values that are no numbers
_CHUNK = 1 << 24


def cached_pixels(paths: Sequence[str], split: str, identity: Fingerprint) -> PixelCache | None:
    """The cache of some files' pixels; None for few files, and where one cannot be read.

    Args:
        paths: the files, in the order of the images.
        split: the name of the set in progress reports.
        identity: the fingerprint of the files.
    """
    with suppress(OSError):
        return PixelCache(paths, split, identity) if len(paths) >= MIN_IMAGES else None
    return None


class CachedPixels(NamedTuple):
    """An entry of the cache.

    Attributes:
        pixels: uint8 (images, 3, height, width).
        cleaned: the files with values that are no numbers.
        damaged: the files that cannot be read, with the reasons; their pixels are those of other images.
    """

    pixels: Tensor
    cleaned: tuple[str, ...]
    damaged: Mapping[str, str]


class PixelCache:
    """The cache of some files' pixels; the arguments are those of `cached_pixels`.

    A file that is not there has no status, which is a state like another.

    Raises:
        OSError: the status of a file cannot be read.
    """

    def __init__(self, paths: Sequence[str], split: str, identity: Fingerprint) -> None:
        self._split = split
        self._state = hashlib.sha256(repr(identity.contents).encode())
        names = hashlib.sha256()
        for path in paths:
            names.update(os.fsencode(os.path.abspath(path)) + b"\0")  # noqa: PTH100
            try:
                status = os.stat(path)  # noqa: PTH116 - a Path per file costs seconds
            except FileNotFoundError:
                self._state.update(b"-\n")
                continue
            self._state.update(b"%d %d %d\n" % (status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        self.path = cache_dir() / "decoded" / f"{names.hexdigest()[:32]}.pixels"

    def read(self, most: int, progress: Progress) -> CachedPixels | None:
        """The entry; None if it is missing, stale, damaged or has more than `most` bytes."""
        try:
            with open_regular(self.path) as file:
                header = json.loads(file.readline(_HEADER))
                if (header["format"], header["state"]) != (_FORMAT, self._state.hexdigest()):
                    return None
                cleaned = tuple(map(str, header["cleaned"]))
                damaged = {str(path): str(reason) for path, reason in header["damaged"].items()}
                shape = [int(length) for length in header["shape"]]
                if min(shape) < 1 or math.prod(shape) > min(most, os.fstat(file.fileno()).st_size):
                    return None
                pixels = torch.empty(shape, dtype=torch.uint8)
                whole = _filled(
                    pixels, file, header["crc32"], f"reading decoded {self._split} images", progress
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
            return None
        return CachedPixels(pixels, cleaned, damaged) if whole else None

    def write(self, pixels: Tensor, cleaned: tuple[str, ...], damaged: Mapping[str, str]) -> None:
        """Store the pixels for the next start, atomically; disk errors are ignored."""
        header = {
            "format": _FORMAT,
            "state": self._state.hexdigest(),
            "shape": list(pixels.shape),
            "cleaned": cleaned,
            "damaged": dict(damaged),
            "crc32": zlib.crc32(pixels.numpy().data),
        }
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if shutil.disk_usage(self.path.parent).free < FREE_SPACE_FACTOR * pixels.nbytes:
                return
            with replacing(self.path) as file:
                file.write(json.dumps(header).encode() + b"\n")
                file.write(pixels.numpy().data)
            sync_folder(self.path.parent)


def _filled(pixels: Tensor, file: BinaryIO, crc32: int, name: str, progress: Progress) -> bool:
    """Fill `pixels` from a file; returns whether its length and checksum are right."""
    rest = pixels.numpy().data.cast("B")
    meter = ProgressMeter(progress, name, total=len(rest), unit="bytes")
    found = 0
    while len(rest):
        count = file.readinto(rest[:_CHUNK])  # type: ignore[attr-defined]
        if not count:
            return False
        found = zlib.crc32(rest[:count], found)
        rest = rest[count:]
        meter.advance(count)
    return found == crc32 and not file.read(1)
