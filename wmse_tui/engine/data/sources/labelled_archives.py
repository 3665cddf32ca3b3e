"""Published labelled sets for transfer: addresses and checksums are torchvision's, splits the publishers'.

Each set has a folder of its name in the data folder. An archive is unpacked there into a folder of the
archive's name, as it is; files with labels are read, bounded, and named with their line where they are wrong.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import DTD, SVHN, FGVCAircraft, Flowers102, Food101, OxfordIIITPet

from wmse_tui.config.regular_files import open_regular
from wmse_tui.config.transfer_sets import TRANSFER_SETS
from wmse_tui.engine.data.download import RemoteFile
from wmse_tui.engine.data.images import ImageSet, MemoryImages
from wmse_tui.engine.data.sources.acquire import Publication, acquire, acquire_file
from wmse_tui.engine.data.sources.class_folders import files_and_labels, has_classes, read_files
from wmse_tui.engine.data.sources.disk import refuse_os
from wmse_tui.engine.data.sources.matlab import matlab_arrays
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.scan import scan
from wmse_tui.engine.data.sources.splits import TEST_OPTION, TRAIN_OPTION, DataSplits, SourceRequest
from wmse_tui.engine.data.sources.subsets import hold_out
from wmse_tui.engine.errors import DataError

EUROSAT_TEST = 0.2
"""EuroSAT is published without a split; Helber et al. (2019) test on a fifth of each class."""
_LARGEST_LIST = 64 * 2**20  # bytes of a file with labels; the largest published one has 5 MB
_ZIP, _GZIP, _MATLAB = b"PK\x03\x04", b"\x1f\x8b", b"MATLAB 5.0"
_GTSRB = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
_EUROSAT = (
    "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/"
)
_PETS = OxfordIIITPet._RESOURCES  # noqa: SLF001
_FLOWERS, _FLOWER_FILES = Flowers102._download_url_prefix, Flowers102._file_dict  # noqa: SLF001


def _remote(url: str, size: int, md5: str, magic: bytes) -> RemoteFile:
    return RemoteFile(url=url, name=url.rpartition("/")[2], size=size, md5=md5, magic=magic)


REMOTES: dict[str, tuple[RemoteFile, ...]] = {
    "svhn": (
        _remote(SVHN.split_list["train"][0], 182_040_794, SVHN.split_list["train"][2], _MATLAB),
        _remote(SVHN.split_list["test"][0], 64_275_384, SVHN.split_list["test"][2], _MATLAB),
    ),
    "eurosat": (_remote(f"{_EUROSAT}EuroSAT.zip", 94_280_567, "c8fa014336c82ac7804f0398fcb19387", _ZIP),),
    "gtsrb": (
        _remote(f"{_GTSRB}GTSRB-Training_fixed.zip", 187_490_228, "513f3c79a4c5141765e10e952eaa2478", _ZIP),
        _remote(f"{_GTSRB}GTSRB_Final_Test_Images.zip", 88_978_620, "c7e4e6327067d32654124b0fe9e82185", _ZIP),
        _remote(f"{_GTSRB}GTSRB_Final_Test_GT.zip", 99_620, "fe31e9c9270bbcd7b84b7f21a9d9d9e5", _ZIP),
    ),
    "dtd": (_remote(DTD._URL, 625_239_812, DTD._MD5, _GZIP),),  # noqa: SLF001
    "flowers102": tuple(
        _remote(_FLOWERS + _FLOWER_FILES[part][0], size, _FLOWER_FILES[part][1], magic)
        for part, size, magic in (
            ("image", 344_862_509, _GZIP),
            ("label", 502, _MATLAB),
            ("setid", 14_989, _MATLAB),
        )
    ),
    "pets": (
        _remote(_PETS[0][0], 791_918_971, _PETS[0][1], _GZIP),
        _remote(_PETS[1][0], 19_173_078, _PETS[1][1], _GZIP),
    ),
    "food101": (_remote(Food101._URL, 4_996_278_331, Food101._MD5, _GZIP),),  # noqa: SLF001
    "aircraft": (
        _remote(FGVCAircraft._URL, 2_753_340_328, "d4acdd33327262359767eeaa97a4f732", _GZIP),  # noqa: SLF001
    ),
}
"""The files of each set, in the order in which its reader takes them."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Files and the numbers of their classes."""

    paths: Sequence[str]
    labels: Sequence[int]


def load_svhn(request: SourceRequest, progress: Progress) -> DataSplits:
    """73,257 and 26,032 digits of house numbers, 32 x 32; the class of 0 is 0.

    Raises:
        DataError: the images cannot be had; as every function here.
    """
    sets = []
    for split, remote in zip(("train", "test"), REMOTES["svhn"], strict=True):
        arrays = _arrays(_fetched(remote, request, progress), ("X", "y"), remote)
        pixels = np.ascontiguousarray(arrays["X"].transpose(3, 2, 0, 1).astype(np.uint8, copy=False))
        labels = torch.from_numpy(arrays["y"].reshape(-1).astype(np.int64)) % 10
        classes = tuple(map(str, range(10)))
        images = torch.from_numpy(pixels)
        sets.append(MemoryImages(name="svhn", split=split, pixels=images, labels=labels, classes=classes))
    return DataSplits(train=sets[0], probe_train=sets[0], probe_test=sets[1])


def load_eurosat(request: SourceRequest, progress: Progress) -> DataSplits:
    """27,000 satellite images of ten classes, 64 x 64; a fifth of each class is held out for the test."""
    (home,) = _unpacked(request, progress)
    tree = scan(home / "2750")
    if not has_classes(tree):
        raise _not_whole(home, f"{home / '2750'} holds {tree.shape()}")
    paths, labels = files_and_labels(tree, tree.names)
    used, held = hold_out(labels, EUROSAT_TEST)
    train, test = (
        Labelled([paths[index] for index in rows.tolist()], labels[rows].tolist()) for rows in (used, held)
    )
    return _splits(request, train, test, tree.names, ("all without held-out", "held-out"), progress)


def load_gtsrb(request: SourceRequest, progress: Progress) -> DataSplits:
    """26,640 and 12,630 traffic signs of 43 classes."""
    train_home, test_home, truth = _unpacked(request, progress)
    tree = scan(train_home / "GTSRB" / "Training")
    if not has_classes(tree):
        raise _not_whole(train_home, f"{tree.folder} holds {tree.shape()}")
    paths, labels = files_and_labels(tree, tree.names)
    listed = truth / "GT-final_test.csv"
    images = test_home / "GTSRB" / "Final_Test" / "Images"
    rows = list(csv.DictReader(_text(listed).splitlines(), delimiter=";", skipinitialspace=True))
    test = Labelled(
        [f"{images}/{_plain(row.get('Filename'), listed, line)}" for line, row in enumerate(rows, 2)],
        [_number(row.get("ClassId"), len(tree.names), listed, line) for line, row in enumerate(rows, 2)],
    )
    train = Labelled(paths, labels.tolist())
    return _splits(request, train, test, tree.names, ("train", "test"), progress)


def load_dtd(request: SourceRequest, progress: Progress) -> DataSplits:
    """3,760 (1,880 of them for validation) and 1,880 textures of 47 classes: the first partition."""
    (home,) = _unpacked(request, progress)
    lists = {split: home / "dtd" / "labels" / f"{split}1.txt" for split in ("train", "val", "test")}
    rows = {split: [line.partition("/") for line in _lines(path)] for split, path in lists.items()}
    classes = tuple(sorted({name for name, _, _ in rows["train"]}))
    numbers = {name: number for number, name in enumerate(classes)}
    parts = {
        split: Labelled(
            [
                f"{home}/dtd/images/{_plain(name, lists[split], line)}/{_plain(file, lists[split], line)}"
                for line, (name, _, file) in enumerate(rows[split], 1)
            ],
            [_known(name, numbers, lists[split], line) for line, (name, _, _) in enumerate(rows[split], 1)],
        )
        for split in lists
    }
    return _with_validation(request, parts, classes, progress)


def load_flowers102(request: SourceRequest, progress: Progress) -> DataSplits:
    """2,040 (1,020 of them for validation) and 6,149 flowers of 102 classes."""
    archive, label_file, split_file = REMOTES["flowers102"]
    home = _unpacked_one(archive, request, progress)
    found = _arrays(_fetched(label_file, request, progress), ("labels",), label_file)
    labels = found["labels"].reshape(-1).astype(np.int64) - 1
    ids = _arrays(_fetched(split_file, request, progress), ("trnid", "valid", "tstid"), split_file)
    if len(labels) == 0 or labels.min() < 0 or any(not _within(each, len(labels)) for each in ids.values()):
        raise _not_whole(home, f"{split_file.name} names images that {label_file.name} has no label of")
    parts = {
        split: Labelled(
            [f"{home}/jpg/image_{number:05d}.jpg" for number in ids[key].reshape(-1).tolist()],
            labels[ids[key].reshape(-1).astype(np.int64) - 1].tolist(),
        )
        for split, key in (("train", "trnid"), ("val", "valid"), ("test", "tstid"))
    }
    classes = tuple(str(number + 1) for number in range(int(labels.max()) + 1))
    return _with_validation(request, parts, classes, progress)


def load_pets(request: SourceRequest, progress: Progress) -> DataSplits:
    """3,680 and 3,669 cats and dogs of 37 breeds."""
    images, annotations = _unpacked(request, progress)
    parts, names = {}, {}
    for split, list_name in (("train", "trainval.txt"), ("test", "test.txt")):
        listed = annotations / "annotations" / list_name
        paths, labels = [], []
        for line, text in enumerate(_lines(listed), 1):
            name, _, rest = text.partition(" ")
            label = _number(rest.partition(" ")[0], 1000, listed, line) - 1
            names[label] = name.rpartition("_")[0]
            paths.append(f"{images}/images/{_plain(name, listed, line)}.jpg")
            labels.append(label)
        parts[split] = Labelled(paths, labels)
    classes = tuple(names.get(number, str(number)) for number in range(max(names, default=-1) + 1))
    return _splits(request, parts["train"], parts["test"], classes, ("trainval", "test"), progress)


def load_food101(request: SourceRequest, progress: Progress) -> DataSplits:
    """75,750 and 25,250 dishes of 101 classes."""
    (home,) = _unpacked(request, progress)
    folder = home / "food-101"
    tables = {}
    for split in ("train", "test"):
        listed = folder / "meta" / f"{split}.json"
        try:
            tables[split] = dict(json.loads(_text(listed)))
            complete = all(isinstance(file, str) for files in tables[split].values() for file in files)
        except (ValueError, TypeError, RecursionError):
            complete = False
        if not complete:
            raise _not_whole(home, f"{listed} has no lists of images by class")
    classes = tuple(sorted(tables["train"]))
    numbers = {name: number for number, name in enumerate(classes)}
    parts = {
        split: Labelled(
            [
                f"{folder}/images/{'/'.join(_plain(part, folder, line) for part in file.split('/'))}.jpg"
                for files in table.values()
                for line, file in enumerate(files, 1)
            ],
            [_known(name, numbers, folder / "meta", 1) for name, files in table.items() for _ in files],
        )
        for split, table in tables.items()
    }
    return _splits(request, parts["train"], parts["test"], classes, ("train", "test"), progress)


def load_aircraft(request: SourceRequest, progress: Progress) -> DataSplits:
    """6,667 (3,333 of them for validation) and 3,333 aircraft of 100 variants."""
    (home,) = _unpacked(request, progress)
    data = home / "fgvc-aircraft-2013b" / "data"
    classes = tuple(_lines(data / "variants.txt"))
    numbers = {name: number for number, name in enumerate(classes)}
    parts = {}
    for split in ("train", "val", "test"):
        listed = data / f"images_variant_{split}.txt"
        rows = [line.partition(" ") for line in _lines(listed)]
        parts[split] = Labelled(
            [f"{data}/images/{_plain(name, listed, n)}.jpg" for n, (name, _, _) in enumerate(rows, 1)],
            [_known(variant, numbers, listed, n) for n, (_, _, variant) in enumerate(rows, 1)],
        )
    return _with_validation(request, parts, classes, progress)


def _with_validation(
    request: SourceRequest, parts: Mapping[str, Labelled], classes: tuple[str, ...], progress: Progress
) -> DataSplits:
    """Train and validation images to train a probe, of which those for validation are marked."""
    train, validation = parts["train"], parts["val"]
    both = Labelled([*train.paths, *validation.paths], [*train.labels, *validation.labels])
    mark = torch.arange(len(both.paths)) >= len(train.paths)
    return _splits(request, both, parts["test"], classes, ("train+val", "test"), progress, mark)


def _splits(
    request: SourceRequest,
    train: Labelled,
    test: Labelled,
    classes: tuple[str, ...],
    splits: tuple[str, str],
    progress: Progress,
    validation: torch.Tensor | None = None,
) -> DataSplits:
    sets: list[ImageSet] = []
    for split, part, option in zip(splits, (train, test), (TRAIN_OPTION, TEST_OPTION), strict=True):
        if not part.paths:
            home = request.root / request.name
            raise _not_whole(home, f"no image of {request.name} is listed for {split}")
        sets.append(
            read_files(
                part.paths,
                torch.tensor(part.labels, dtype=torch.int64),
                classes,
                name=request.name,
                split=split,
                limit=None,
                option=option,
                damaged=request.damaged,
                progress=progress,
            )
        )
    return DataSplits(train=sets[0], probe_train=sets[0], probe_test=sets[1], validation=validation)


def _unpacked(request: SourceRequest, progress: Progress) -> list[Path]:
    """The folders of all archives of a set."""
    return [_unpacked_one(remote, request, progress) for remote in REMOTES[request.name]]


def _unpacked_one(remote: RemoteFile, request: SourceRequest, progress: Progress) -> Path:
    # JPEG files hardly shrink in an archive; the others are small
    jpeg = remote.size > 300_000_000
    publication = Publication(
        title=TRANSFER_SETS[request.name].title,
        remote=remote,
        folder=remote.name.removesuffix(".tar.gz").removesuffix(".tgz").removesuffix(".zip"),
        unpacked=int(remote.size * (1.25 if jpeg else 6)) + 10_000_000,
        bare=True,
    )
    root = request.root / request.name
    return acquire(publication, root, download=request.download, defect=lambda _: None, progress=progress)


def _fetched(remote: RemoteFile, request: SourceRequest, progress: Progress) -> bytes:
    return acquire_file(
        TRANSFER_SETS[request.name].title,
        remote,
        request.root / request.name,
        download=request.download,
        progress=progress,
    )


def _arrays(content: bytes, names: Sequence[str], remote: RemoteFile) -> dict[str, np.ndarray]:
    try:
        found = matlab_arrays(content)
        return {name: found[name] for name in names}
    except (ValueError, KeyError) as error:
        raise DataError(f"{remote.name} cannot be read", f"expected {', '.join(names)}: {error}") from error


def _within(ids: np.ndarray, count: int) -> bool:
    return ids.size > 0 and int(ids.min()) >= 1 and int(ids.max()) <= count


def _text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return file.read(_LARGEST_LIST).decode("utf-8", "replace")
    except OSError as error:
        refuse_os(error, path, "read the labels")


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in _text(path).splitlines() if line.strip() and not line.startswith("#")]


def _plain(name: str | None, path: Path, line: int) -> str:
    """The name of a file or folder, which leads nowhere else."""
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise DataError(f"{path} cannot be used", f"line {line}: {name!r} names no image")
    return name


def _number(text: str | None, end: int, path: Path, line: int) -> int:
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 4 or int(text) >= end:
        raise DataError(f"{path} cannot be used", f"line {line}: {text!r} is no number of a class")
    return int(text)


def _known(name: str, numbers: Mapping[str, int], path: Path, line: int) -> int:
    if name not in numbers:
        raise DataError(f"{path} cannot be used", f"line {line}: {name[:60]!r} is no known class")
    return numbers[name]


def _not_whole(home: Path, detail: str) -> DataError:
    return DataError(
        f"the images in {home} are incomplete",
        detail,
        next=(f"move {home} away and start again: it is then unpacked or fetched again",),
    )
