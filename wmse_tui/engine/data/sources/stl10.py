"""STL-10 (Coates, Lee, Ng, AISTATS 2011): train+unlabeled trains the encoder, the labelled parts judge it.

The unlabelled part has 100,000 images (2.8 GB). torchvision's reader would hold them twice and check every
file three times, so the binary files are read here; addresses and checksums are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import STL10

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.regular_files import open_regular
from wmse_tui.engine.data.download import RemoteFile
from wmse_tui.engine.data.images import MemoryImages, empty_pixels
from wmse_tui.engine.data.sources.acquire import Publication, acquire, checksum_defect
from wmse_tui.engine.data.sources.progress import Progress, ProgressMeter
from wmse_tui.engine.data.sources.splits import (
    TEST_OPTION,
    TRAIN_OPTION,
    DataSplits,
    SourceRequest,
    limited,
    subset,
)
from wmse_tui.engine.data.sources.subsets import choose

SIZE = 96
_IMAGE_BYTES = 3 * SIZE * SIZE
_UNPACKED_BYTES = 113_000 * _IMAGE_BYTES + 1_000_000
_CHUNK = 500


def load_stl10(request: SourceRequest, progress: Progress) -> DataSplits:
    """105,000 images without labels to train on; the labelled 5,000 and the 8,000 test images to probe with.

    Raises:
        DataError: the images cannot be had.
    """
    home = _home(request, progress)
    train_x, unlabeled_x = (home / name for name, _ in (STL10.train_list[0], STL10.train_list[2]))
    train, unlabeled = _open(train_x), _open(unlabeled_x)
    chosen = choose(len(train) + len(unlabeled), None, request.train_images, option=TRAIN_OPTION)
    split = DATASETS["stl10"].train_split
    probe_train, probe_test = _labelled(home, request, progress)
    return DataSplits(
        train=MemoryImages(
            name="stl10",
            split=split if chosen is None else subset(split),
            pixels=_pixels([train, unlabeled], chosen, split, progress),
        ),
        probe_train=probe_train,
        probe_test=probe_test,
    )


def load_labelled_stl10(request: SourceRequest, progress: Progress) -> DataSplits:
    """The 5,000 labelled images, to train on and to probe with, and the 8,000 test images.

    Raises:
        DataError: the images cannot be had.
    """
    train, test = _labelled(_home(request, progress), request, progress)
    return DataSplits(train=train, probe_train=train, probe_test=test)


def _home(request: SourceRequest, progress: Progress) -> Path:
    return acquire(
        stl10_publication(),
        request.root,
        download=request.download,
        defect=lambda folder: checksum_defect(folder, _checksums(), progress),
        progress=progress,
    )


def _labelled(home: Path, request: SourceRequest, progress: Progress) -> tuple[MemoryImages, MemoryImages]:
    """The labelled images: to probe with, and for the test."""
    train, test = (
        MemoryImages(
            name="stl10",
            split=split,
            pixels=_pixels([_open(home / files[0][0])], None, split, progress),
            labels=_labels(home / files[1][0]),
            classes=DATASETS["stl10"].class_names,
        )
        for split, files in (("train", STL10.train_list), ("test", STL10.test_list))
    )
    return train, limited(test, request.test_images, option=TEST_OPTION)


def stl10_publication() -> Publication:
    """Where the data set is published."""
    return Publication(
        title=DATASETS["stl10"].title,
        remote=RemoteFile(
            url=STL10.url,
            name=STL10.filename,
            size=DATASETS["stl10"].archive_bytes,
            md5=STL10.tgz_md5,
            magic=b"\x1f\x8b",
        ),
        folder=STL10.base_folder,
        unpacked=_UNPACKED_BYTES,
    )


def _checksums() -> tuple[tuple[str, str], ...]:
    return tuple((name, md5) for name, md5 in [*STL10.train_list, *STL10.test_list])


def _open(path: Path) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    """The images of a file in its own layout: (images, 3, columns, rows)."""
    with open_regular(path) as file:
        return np.memmap(file, np.uint8, "r").reshape(-1, 3, SIZE, SIZE)  # type: ignore[return-value]


def _labels(path: Path) -> Tensor:
    with open_regular(path) as file:
        return torch.from_numpy(np.fromfile(file, np.uint8).astype(np.int64) - 1)  # the file counts from 1


def _pixels(
    files: Sequence[np.memmap[tuple[int, ...], np.dtype[np.uint8]]],
    chosen: Tensor | None,
    split: str,
    progress: Progress,
) -> Tensor:
    """Images `chosen` of the files, one file after the other, as uint8 (images, 3, rows, columns)."""
    total = sum(map(len, files))
    rows_wanted = np.arange(total) if chosen is None else chosen.numpy()
    pixels = empty_pixels(len(rows_wanted), SIZE, SIZE, split)
    rows = pixels.numpy()
    meter = ProgressMeter(progress, f"reading {split} images", total=len(rows_wanted), unit="images")
    start = first = 0
    for file in files:
        inside = rows_wanted[(rows_wanted >= start) & (rows_wanted < start + len(file))] - start
        for offset in range(0, len(inside), _CHUNK):
            numbers = inside[offset : offset + _CHUNK]
            rows[first : first + len(numbers)] = file[numbers].transpose(0, 1, 3, 2)
            first += len(numbers)
            meter.advance(len(numbers))
        start += len(file)
    return pixels
