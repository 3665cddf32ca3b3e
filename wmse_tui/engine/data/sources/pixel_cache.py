"""A cache of what a start finds in image files: images of one size are decoded once, others are opened once.

An entry has exactly the pixels that decoding gives, or why the images stay in their files, so it changes no
result and may be deleted at any time. It is named after its image files; its header line has a hash of their
sizes, times of change and sampled contents (archives may give every file one time). If any differs, the files
are read again. An entry that another user made is not used.
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

from wmse_tui.config.atomic import make_private_folder, replacing, sync_folder
from wmse_tui.config.locations import cache_dir
from wmse_tui.config.regular_files import RefusedFile, open_descriptor
from wmse_tui.engine.data.fingerprint import Fingerprint
from wmse_tui.engine.data.sources.progress import Progress, ProgressMeter
from wmse_tui.runs.run_folder import require_own_folder

MIN_IMAGES = 256
"""Pixels of fewer images are not stored: they are decoded in a moment."""

FREE_SPACE_FACTOR = 4
"""An entry is written only if the disk has this many times its size free."""

_FORMAT = 4
_HEADER = 1 << 26  # bytes, most of them names of files with values that are no numbers
_CHUNK = 1 << 24


def cached_pixels(paths: Sequence[str], split: str, identity: Fingerprint) -> PixelCache | None:
    """The cache of some files' pixels; None where a file cannot be read.

    Args:
        paths: the files, in the order of the images.
        split: the name of the set in progress reports.
        identity: the fingerprint of the files.
    """
    with suppress(OSError):
        return PixelCache(paths, split, identity)
    return None


class CachedPixels(NamedTuple):
    """An entry of the cache.

    Attributes:
        pixels: uint8 (images, 3, height, width); or why the images stay in their files.
        examined: the number of files whose values were read.
        cleaned: those of them with values that are no numbers.
        damaged: the files that cannot be read, with the reasons; their pixels are those of other images.
    """

    pixels: Tensor | str
    examined: int
    cleaned: tuple[str, ...]
    damaged: Mapping[str, str]


class PixelCache:
    """The cache of some files' pixels; the arguments are those of `cached_pixels`.

    A file that is not there has no status, which is a state like another.

    Raises:
        OSError: the status of a file cannot be read.
    """

    def __init__(self, paths: Sequence[str], split: str, identity: Fingerprint) -> None:
        self._split, self._images = split, len(paths)
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
        """The entry; None if it is missing, stale, damaged, another user's, or has over `most` bytes."""
        try:
            with self._opened() as file:
                header = json.loads(file.readline(_HEADER))
                if (header["format"], header["state"]) != (_FORMAT, self._state.hexdigest()):
                    return None
                cleaned = tuple(map(str, header["cleaned"]))
                damaged = {str(path): str(reason) for path, reason in header["damaged"].items()}
                examined, why = int(header["examined"]), header.get("why")
                if isinstance(why, str):
                    stale = header["most"] != most or file.read(1)
                    return None if stale else CachedPixels(why, examined, cleaned, damaged)
                shape = [int(length) for length in header["shape"]]
                if min(shape) < 1 or math.prod(shape) > min(most, os.fstat(file.fileno()).st_size):
                    return None
                pixels = torch.empty(shape, dtype=torch.uint8)
                whole = _filled(
                    pixels, file, header["crc32"], f"reading decoded {self._split} images", progress
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
            return None
        return CachedPixels(pixels, examined, cleaned, damaged) if whole else None

    def write(self, entry: CachedPixels, most: int) -> None:
        """Store what was found for the next start, atomically; disk errors are ignored.

        Args:
            entry: what was found.
            most: bytes of pixels that would have been decoded into memory.
        """
        header = {
            "format": _FORMAT,
            "state": self._state.hexdigest(),
            "examined": entry.examined,
            "cleaned": entry.cleaned,
            "damaged": dict(entry.damaged),
        }
        content = memoryview(b"")
        if isinstance(entry.pixels, str):
            header |= {"why": entry.pixels, "most": most}
        elif self._images < MIN_IMAGES:
            return
        else:
            content = entry.pixels.numpy().data
            header |= {"shape": list(entry.pixels.shape), "crc32": zlib.crc32(content)}
        with suppress(OSError):
            make_private_folder(self.path.parent)
            require_own_folder(self.path.parent)
            if shutil.disk_usage(self.path.parent).free < FREE_SPACE_FACTOR * len(content):
                return
            with replacing(self.path) as file:
                file.write(json.dumps(header).encode() + b"\n")
                file.write(content)
            sync_folder(self.path.parent)

    def _opened(self) -> BinaryIO:
        """The entry's file; a link, a device or another user's file is refused.

        Raises:
            OSError: it is missing or refused.
        """
        require_own_folder(self.path.parent)
        file = os.fdopen(open_descriptor(self.path, follow=False), "rb")
        owner = os.fstat(file.fileno()).st_uid
        if owner != self.path.parent.stat().st_uid:
            file.close()
            raise RefusedFile(f"it belongs to user {owner}", self.path)
        return file


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
