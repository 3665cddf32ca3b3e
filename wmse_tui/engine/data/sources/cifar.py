"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), read by torchvision, checksums verified before unpickling."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from wmse_tui.config.datasets import DATASETS
from wmse_tui.engine.data.download import RemoteFile
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.data.sources.acquire import Publication, acquire, checksum_defect
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.splits import TEST_OPTION, TRAIN_OPTION, DataSplits, SourceRequest, limited

READERS: dict[str, type[CIFAR10]] = {"cifar10": CIFAR10, "cifar100": CIFAR100}
_UNPACKED_BYTES = 190_000_000


def load_cifar(request: SourceRequest, progress: Progress) -> DataSplits:
    """`cifar10` or `cifar100`: 50,000 labelled images to train on and to probe with, 10,000 to test.

    Raises:
        DataError: the images cannot be had.
    """
    reader = READERS[request.name]
    home = acquire(
        cifar_publication(request.name),
        request.root,
        download=request.download,
        defect=lambda folder: checksum_defect(folder, _checksums(reader), progress),
        progress=progress,
    )
    train = limited(_read(request.name, home, train=True), request.train_images, option=TRAIN_OPTION)
    test = limited(_read(request.name, home, train=False), request.test_images, option=TEST_OPTION)
    return DataSplits(train=train, probe_train=train, probe_test=test)


def cifar_publication(name: str) -> Publication:
    """Where the data set is published."""
    reader = READERS[name]
    return Publication(
        title=DATASETS[name].title,
        remote=RemoteFile(
            url=reader.url,
            name=reader.filename,
            size=DATASETS[name].archive_bytes,
            md5=reader.tgz_md5,
            magic=b"\x1f\x8b",
        ),
        folder=reader.base_folder,
        unpacked=_UNPACKED_BYTES,
    )


def _checksums(reader: type[CIFAR10]) -> tuple[tuple[str, str], ...]:
    """The files of the data set and their md5."""
    listed = [*reader.train_list, *reader.test_list, [reader.meta["filename"], reader.meta["md5"]]]
    return tuple((name, md5) for name, md5 in listed)


def _read(name: str, home: Path, *, train: bool) -> MemoryImages:
    with warnings.catch_warnings():
        # the published pickles describe their arrays in a way that numpy 2.4 deprecates
        warnings.filterwarnings("ignore", category=np.exceptions.VisibleDeprecationWarning)
        data = READERS[name](home.parent, train=train)
    return MemoryImages(
        name=name,
        split="train" if train else "test",
        pixels=torch.from_numpy(np.ascontiguousarray(np.transpose(data.data, (0, 3, 1, 2)))),
        labels=torch.tensor(data.targets, dtype=torch.int64),
        classes=tuple(data.classes),
    )
