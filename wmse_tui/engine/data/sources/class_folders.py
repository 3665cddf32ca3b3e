"""Folders as classes: labelled images from the files of a `Tree`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.sources.damaged import DamagedPolicy
from wmse_tui.engine.data.sources.files import images_from_files
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.scan import Tree, count_text, listing, scan
from wmse_tui.engine.data.sources.splits import TEST_OPTION, subset
from wmse_tui.engine.data.sources.subsets import choose
from wmse_tui.engine.errors import DataError


def has_classes(tree: Tree) -> bool:
    """Whether the images of a folder are in two or more subfolders, and none beside them."""
    return not tree.top and len(tree.groups) >= 2


def read_classes(
    tree: Tree,
    classes: Sequence[str],
    *,
    name: str,
    split: str,
    limit: int | None,
    option: str,
    damaged: DamagedPolicy,
    progress: Progress,
) -> ImageSet:
    """The images of class folders; each folder's name must be among `classes`.

    Raises:
        DataError: fewer than `limit` images, or files that cannot be read.
    """
    paths, labels = files_and_labels(tree, classes)
    return read_files(
        paths,
        labels,
        tuple(classes),
        name=name,
        split=split,
        limit=limit,
        option=option,
        damaged=damaged,
        progress=progress,
    )


def files_and_labels(tree: Tree, classes: Sequence[str]) -> tuple[tuple[str, ...], Tensor]:
    """The files of class folders and the number of each one's folder in `classes`, int64 (files,)."""
    numbers = {name: number for number, name in enumerate(classes)}
    labels = [numbers[name] for name, files in tree.groups for _ in files]
    return tree.files, torch.tensor(labels, dtype=torch.int64)


def read_files(
    paths: Sequence[str],
    labels: Tensor | None,
    classes: tuple[str, ...],
    *,
    name: str,
    split: str,
    limit: int | None,
    option: str,
    damaged: DamagedPolicy,
    progress: Progress,
) -> ImageSet:
    """The images of files, at most `limit` of them; only these are opened.

    Raises:
        DataError: fewer than `limit` images, or files that cannot be read.
    """
    chosen = choose(len(paths), labels, limit, option=option)
    if chosen is not None:
        paths = [paths[index] for index in chosen.tolist()]
        labels = None if labels is None else labels[chosen]
        split = subset(split)
    return images_from_files(
        paths, name=name, split=split, labels=labels, classes=classes, damaged=damaged, progress=progress
    )


def read_probe_folders(
    train: Path, test: Path, progress: Progress, *, damaged: DamagedPolicy, test_images: int | None = None
) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """The labelled images of the probes: to learn from, to test with, and notices of what was skipped.

    At most `test_images` of the test; None: all.

    Raises:
        DataError: no class folders, a test class that the training lacks, or fewer images than requested.
    """
    trees = []
    for option, folder in (("dataset.probe_train", train), ("dataset.probe_test", test)):
        tree = scan(folder, named=damaged.named)
        if not has_classes(tree):
            raise DataError(
                f"the probes need labelled images, and {folder} has no class folders",
                f"{option} holds {tree.shape()}",
                next=(f"sort the images into one folder per class: {folder}/CLASS/IMAGE",),
            )
        trees.append(tree)
    require_known_classes(trees[1], trees[0])
    sets = [
        read_classes(
            tree,
            trees[0].names,
            name="probe",
            split=str(tree.folder),
            limit=limit,
            option=TEST_OPTION,
            damaged=damaged,
            progress=progress,
        )
        for tree, limit in zip(trees, (None, test_images), strict=True)
    ]
    return sets[0], sets[1], trees[0].notices() + trees[1].notices()


def require_known_classes(test: Tree, train: Tree) -> None:
    """Every class that is tested must be learnt.

    Raises:
        DataError: `test` has folders that `train` lacks.
    """
    unknown = tuple(sorted(set(test.names) - set(train.names)))
    if unknown:
        raise DataError(
            f"{count_text(len(unknown), 'class', 'classes')} of {test.folder} cannot be learnt",
            f"{train.folder} has no folder for {listing(unknown)}; it has {listing(train.names)}",
            next=("give both the same class folders",),
        )
