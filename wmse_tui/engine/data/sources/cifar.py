"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009); addresses, layout and checksums are torchvision's.

The files are pickles. The bytes that are unpickled are those whose checksum was verified, read once, and
nothing but arrays, texts and numbers is made of them.
"""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from wmse_tui.config.datasets import DATASETS
from wmse_tui.engine.data.download import RemoteFile
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.data.sources.acquire import Publication, acquire, checksum_defect, read_published
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.splits import TEST_OPTION, TRAIN_OPTION, DataSplits, SourceRequest, limited
from wmse_tui.engine.errors import DataError

READERS: dict[str, type[CIFAR10]] = {"cifar10": CIFAR10, "cifar100": CIFAR100}
SIZE = 32
_UNPACKED_BYTES = 190_000_000
_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}
"""What pickles of arrays name, by any version of numpy."""


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
    reader = READERS[name]
    batches = [
        read_batch(home / file, md5) for file, md5 in (reader.train_list if train else reader.test_list)
    ]
    names = read_batch(home / reader.meta["filename"], reader.meta["md5"])[reader.meta["key"]]
    pixels = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, SIZE, SIZE)
    labels = [label for batch in batches for label in batch.get("labels", batch.get("fine_labels"))]
    return MemoryImages(
        name=name,
        split="train" if train else "test",
        pixels=torch.from_numpy(pixels),
        labels=torch.tensor(labels, dtype=torch.int64),
        classes=tuple(names),
    )


def read_batch(path: Path, md5: str) -> Any:
    """What the pickle at `path` holds.

    Raises:
        DataError: it is not the file with this md5, or holds more than arrays, texts and numbers.
    """
    content = read_published(path, md5, _UNPACKED_BYTES)
    with warnings.catch_warnings():
        # the published pickles describe their arrays in a way that numpy 2.4 deprecates
        warnings.filterwarnings("ignore", category=np.exceptions.VisibleDeprecationWarning)
        try:
            return _Unpickler(io.BytesIO(content), encoding="latin1").load()
        except pickle.UnpicklingError as error:
            raise DataError(f"{path.name} is not what was published", f"{path}: {error}") from error


class _Unpickler(pickle.Unpickler):
    """Makes arrays beside what a pickle holds anyway, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ARRAYS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a data set")
