"""The identity of a set of images: cheap for a million files, the same wherever they are.

Names and labels are compared whole. The sizes of all files are compared where asking for them is cheap, else
those of a sample. The contents of a sample of images, spread evenly over the set, are compared by checksums
of their beginning and end. Times of files and the folder that holds them do not count: a set that was copied
or moved is the same set. Files that earlier attempts at a run named as damaged may have been repaired or
removed: only their names and labels are compared.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wmse_tui.config.regular_files import open_regular

SAMPLED = 1024
"""Images whose contents are compared."""
SIZED = 250_000
"""Sets up to this number of files are compared by the sizes of all, larger ones by a sample."""

_PART = 1 << 15
_THREADS = 8
_CHUNK = 256
_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What identifies a set of images.

    Args:
        images: how many.
        names: digest of the files' names in order, from the folder on that holds all; "" for sets in memory.
        labels: digest of the classes and of each image's class; "" without labels.
        sizes: digest of the files' sizes in bytes; "" for sets in memory.
        contents: a checksum for each sampled image; -1 where it could not be read.
        each_size: the sizes that `sizes` is the digest of, -1 where one could not be asked for.
        named: the numbers of the images that earlier attempts named as damaged.
    """

    images: int
    names: str
    labels: str
    sizes: str
    contents: tuple[int, ...]
    each_size: tuple[int, ...] = ()
    named: frozenset[int] = frozenset()

    def text(self) -> str:
        """All of it as one short number, for people to compare."""
        return hashlib.sha256(repr(self._summary()).encode()).hexdigest()[:_DIGITS]

    def state(self) -> dict[str, Any]:
        """As a checkpoint stores it."""
        return {**self._summary(), "each_size": torch.tensor(self.each_size, dtype=torch.int64)}

    def _summary(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "names": self.names,
            "labels": self.labels,
            "sizes": self.sizes,
            "contents": list(self.contents),
        }


def fingerprint_of_files(
    paths: Sequence[str],
    labels: Tensor | None,
    classes: tuple[str, ...],
    *,
    named: Collection[str] = (),
) -> Fingerprint:
    """The fingerprint of a set of image files; a file that cannot be read is found when it is decoded.

    Args:
        named: files that earlier attempts named as damaged.
    """
    base = len(common_folder(paths))
    names = hashlib.sha256()
    for path in paths:
        names.update(os.fsencode(path[base:]) + b"\0")
    sized = [paths[index] for index in _sized(len(paths))]
    with ThreadPoolExecutor(_THREADS) as pool:  # threads hide the latency of network disks
        parts = [sized[start : start + _CHUNK] for start in range(0, len(sized), _CHUNK)]
        each_size = tuple(chain.from_iterable(pool.map(_each_size, parts)))
        contents = tuple(pool.map(_content, [paths[index] for index in sampled(len(paths))]))
    return Fingerprint(
        images=len(paths),
        names=names.hexdigest()[:_DIGITS],
        labels=_labels(labels, classes),
        sizes=hashlib.sha256(" ".join(map(str, each_size)).encode()).hexdigest()[:_DIGITS],
        contents=contents,
        each_size=each_size,
        named=frozenset(index for index, path in enumerate(paths) if path in named) if named else frozenset(),
    )


def fingerprint_of_images(
    count: int, read: Callable[[int], bytes], labels: Tensor | None, classes: tuple[str, ...]
) -> Fingerprint:
    """The fingerprint of a set that is in memory.

    Args:
        count: images.
        read: returns the pixels of one of them.
    """
    return Fingerprint(
        images=count,
        names="",
        labels=_labels(labels, classes),
        sizes="",
        contents=tuple(zlib.crc32(read(index)) for index in sampled(count)),
    )


def difference(saved: Mapping[str, Any], now: Fingerprint, where: Callable[[int], str]) -> str | None:
    """What differs between a set as a checkpoint knows it and the set as it is; None: nothing.

    Args:
        saved: `Fingerprint.state`, then.
        now: its fingerprint as it is.
        where: an image as text: its file, if it has one.
    """
    if found := _other_set(saved, now):
        return found
    if changed := _other_contents(saved, now):
        return (
            f"{len(changed):,} of {len(now.contents):,} sampled images have other contents, "
            f"the first is {where(changed[0])}"
        )
    if changed := _other_sizes(saved, now):
        return (
            f"{len(changed):,} of {len(now.each_size):,} files have other sizes, "
            f"the first is {where(changed[0])}"
        )
    if "each_size" not in saved and saved["sizes"] != now.sizes:  # saved by an earlier version
        return "files have other sizes"
    return None


def changed_images(saved: Mapping[str, Any], now: Fingerprint) -> list[int]:
    """The numbers of the images that differ, as far as is known; none where more than files differs."""
    if _other_set(saved, now):
        return []
    return sorted({*_other_contents(saved, now), *_other_sizes(saved, now)})


def _other_set(saved: Mapping[str, Any], now: Fingerprint) -> str:
    """How another set differs; "" where it has the same names and labels."""
    if saved["images"] != now.images:
        return f"{saved['images']:,} images then, {now.images:,} now"
    if saved["names"] != now.names:
        return "files or folders have other names"
    return "other labels" if saved["labels"] != now.labels else ""


def _other_contents(saved: Mapping[str, Any], now: Fingerprint) -> list[int]:
    return _changed(sampled(now.images), saved["contents"], now.contents, now.named)


def _other_sizes(saved: Mapping[str, Any], now: Fingerprint) -> list[int]:
    if not now.each_size or "each_size" not in saved:  # in memory, or saved by an earlier version
        return []
    return _changed(_sized(now.images), saved["each_size"].tolist(), now.each_size, now.named)


def _changed(
    indices: Sequence[int], then: Sequence[int], now: Sequence[int], named: Collection[int]
) -> list[int]:
    """The indices whose values differ, but for those of `named`."""
    return [
        index
        for index, before, there in zip(indices, then, now, strict=True)
        if before != there and index not in named
    ]


def sampled(count: int) -> list[int]:
    """The numbers of the images whose contents are compared."""
    return _spread(count, SAMPLED)


def _sized(count: int) -> Sequence[int]:
    """The numbers of the images whose sizes are compared."""
    return range(count) if count <= SIZED else _spread(count, SIZED // 10)


def common_folder(paths: Sequence[str]) -> str:
    """The folder that holds all files, with a slash at its end."""
    outermost = [os.path.dirname(path) for path in (min(paths), max(paths))]  # noqa: PTH120
    return os.path.join(os.path.commonpath(outermost), "")  # noqa: PTH118


def _spread(count: int, most: int) -> list[int]:
    found: list[int] = np.linspace(0, count - 1, min(count, most)).astype(int).tolist()
    return found


def _labels(labels: Tensor | None, classes: tuple[str, ...]) -> str:
    if labels is None:
        return ""
    digest = hashlib.sha256("\0".join(classes).encode("utf-8", "surrogateescape"))
    digest.update(labels.cpu().numpy().tobytes())
    return digest.hexdigest()[:_DIGITS]


def _each_size(paths: Sequence[str]) -> list[int]:
    return [_size(path) for path in paths]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a Path per file costs seconds
    except OSError:
        return -1


def _content(path: str) -> int:
    try:
        with open_regular(path) as file:
            found = zlib.crc32(file.read(_PART))
            rest = file.seek(0, os.SEEK_END) - _PART
            if rest > 0:
                file.seek(-min(rest, _PART), os.SEEK_END)
                found = zlib.crc32(file.read(_PART), found)
            return found
    except OSError:
        return -1
