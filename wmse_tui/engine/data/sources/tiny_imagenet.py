"""Tiny ImageNet (Stanford CS231n): tested on `val`, whose labels are in a text file and not in folders.

The published `val/images` is one folder of all classes. Read as a class folder it makes every accuracy
meaningless, so it is read through `val_annotations.txt`; copies sorted into class folders by their owner are
read as such.
"""

from __future__ import annotations

from pathlib import Path

import torch

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.regular_files import open_regular
from wmse_tui.engine.data.download import RemoteFile
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.sources.acquire import Publication, acquire
from wmse_tui.engine.data.sources.class_folders import read_classes, read_files
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.scan import listing, scan
from wmse_tui.engine.data.sources.splits import TEST_OPTION, TRAIN_OPTION, DataSplits, SourceRequest
from wmse_tui.engine.errors import DataError

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
ANNOTATIONS = "val_annotations.txt"
_UNPACKED_BYTES = 120_000 * 4096
_LARGEST_ANNOTATIONS = 16 * 2**20  # published: 0.4 MB


def load_tiny_imagenet(request: SourceRequest, progress: Progress) -> DataSplits:
    """100,000 labelled images of 200 classes to train on and to probe with, 10,000 to test.

    Raises:
        DataError: the images or the labels of the test cannot be had.
    """
    home = acquire(
        tiny_imagenet_publication(),
        request.root,
        download=request.download,
        defect=_defect,
        progress=progress,
    )
    facts = DATASETS["tiny_imagenet"]
    tree = scan(home / "train", named=request.damaged.named)
    if len(tree.groups) != facts.classes or tree.top:
        raise _not_whole(
            home, f"{home / 'train'} should hold {facts.classes} class folders, it holds {tree.shape()}"
        )
    train = read_classes(
        tree,
        tree.names,
        name="tiny_imagenet",
        split="train",
        limit=request.train_images,
        option=TRAIN_OPTION,
        damaged=request.damaged,
        progress=progress,
    )
    test = _test(home, tree.names, request, progress)
    notices = _count_notices("train", len(tree.files), facts.train_images)
    if request.test_images is None:
        notices += _count_notices("val", len(test), facts.test_images)
    return DataSplits(train=train, probe_train=train, probe_test=test, notices=notices)


def tiny_imagenet_publication() -> Publication:
    """Where the data set is published."""
    return Publication(
        title=DATASETS["tiny_imagenet"].title,
        remote=RemoteFile(
            url=URL,
            name="tiny-imagenet-200.zip",
            size=DATASETS["tiny_imagenet"].archive_bytes,
            md5=MD5,
            magic=b"PK\x03\x04",
        ),
        folder="tiny-imagenet-200",
        unpacked=_UNPACKED_BYTES,
    )


def _defect(home: Path) -> str | None:
    return None if (home / "train").is_dir() else f"{home / 'train'} is missing"


def _test(home: Path, classes: tuple[str, ...], request: SourceRequest, progress: Progress) -> ImageSet:
    """The labelled test images: by the annotations, else `val` or `test` sorted into class folders."""
    annotations = home / "val" / ANNOTATIONS
    images = home / "val" / "images"
    if annotations.is_file() and images.is_dir():
        return _annotated(annotations, images, classes, request, progress)
    seen = []
    for split in ("val", "test"):
        if not (home / split).is_dir():
            continue
        tree = scan(home / split, named=request.damaged.named)
        if not tree.top and set(tree.names) == set(classes):
            return read_classes(
                tree,
                classes,
                name="tiny_imagenet",
                split=split,
                limit=request.test_images,
                option=TEST_OPTION,
                damaged=request.damaged,
                progress=progress,
            )
        seen.append(f"{tree.folder} holds {tree.shape()}")
    raise DataError(
        "the labels of Tiny ImageNet's test images are missing",
        f"expected {annotations} with {images}, or {home / 'val'} or {home / 'test'} sorted into the "
        f"{len(classes)} class folders of train; {'; '.join(seen) or 'neither val nor test is there'}",
        next=(f"move {home} away and start again: it is then unpacked or fetched again",),
    )


def _annotated(
    annotations: Path, images: Path, classes: tuple[str, ...], request: SourceRequest, progress: Progress
) -> ImageSet:
    numbers = {name: number for number, name in enumerate(classes)}
    paths, labels = [], []
    with open_regular(annotations) as file:
        content = file.read(_LARGEST_ANNOTATIONS).decode("utf-8", "replace")
    for line, text in enumerate(content.splitlines(), 1):
        name, _, rest = text.partition("\t")
        label = rest.partition("\t")[0]
        if label not in numbers or "/" in name:
            raise _not_whole(
                images.parent.parent, f"{annotations}:{line}: no file name and known class in {text[:60]!r}"
            )
        paths.append(f"{images}/{name}")
        labels.append(numbers[label])
    absent = tuple(path for path in paths if not Path(path).is_file() and not request.damaged.removed(path))
    if absent or len(set(labels)) != len(classes):
        raise _not_whole(
            images.parent.parent,
            f"images that {ANNOTATIONS} names are missing: {listing(absent)}"
            if absent
            else f"{annotations} names {len(set(labels))} of the {len(classes)} classes",
        )
    return read_files(
        paths,
        torch.tensor(labels, dtype=torch.int64),
        classes,
        name="tiny_imagenet",
        split="val",
        limit=request.test_images,
        option=TEST_OPTION,
        damaged=request.damaged,
        progress=progress,
    )


def _count_notices(split: str, found: int, published: int | None) -> tuple[str, ...]:
    if found == published:
        return ()
    return (f"Tiny ImageNet's {split} folder has {found:,} images; {published:,} were published",)


def _not_whole(home: Path, detail: str) -> DataError:
    return DataError(
        f"Tiny ImageNet in {home} is incomplete",
        detail,
        next=(f"move {home} away and start again: it is then unpacked or fetched again",),
    )
