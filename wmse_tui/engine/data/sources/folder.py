"""The user's own images: which layout a folder has, what is labelled, and what is held out for the test.

    layout                                    trains on        classes       test
    root/train/CLASS/.. root/test/CLASS/..    train            folder names  test (or val, eval, ...)
    root/train/CLASS/IMAGE                    part of train    folder names  held out from train
    root/CLASS/IMAGE                          part             folder names  held out
    anything else below root (or root/train)  all images       none          none

Folders count as classes only if there are at least two and no image is beside them. Without a test folder
of the same classes, each must also hold images directly: albums by year and month are no classes.

`TRAIN_FOLDERS` and `TEST_FOLDERS` are understood in any case. What is beside the folders that are used is
reported with its number of images.
"""

from __future__ import annotations

import torch

from wmse_tui.config.datasets import TEST_FOLDERS, TRAIN_FOLDERS
from wmse_tui.engine.data.sources.class_folders import (
    files_and_labels,
    has_classes,
    read_classes,
    read_files,
    require_known_classes,
)
from wmse_tui.engine.data.sources.image_file import USUAL_EXTENSIONS
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.scan import Tree, beside, count_text, listing, scan, spelt
from wmse_tui.engine.data.sources.splits import TEST_OPTION, TRAIN_OPTION, DataSplits, SourceRequest
from wmse_tui.engine.data.sources.subsets import hold_out
from wmse_tui.engine.errors import DataError

USUAL_FOLDERS = frozenset({"train", "test", "val", "valid", "validation"})
"""Of other spellings a notice reports how they were understood."""


def load_folder(request: SourceRequest, progress: Progress) -> DataSplits:
    """Images from `request.root`; with `held_out` 0 no test is made where there is none: all images train.

    Raises:
        DataError: no images, files that cannot be read, or a test with classes that the training lacks.
    """
    root = request.root
    folder = next(iter(spelt(root, TRAIN_FOLDERS)), root)
    train = scan(folder, named=request.damaged.named)
    if not train.files:
        raise DataError(
            f"no images in {train.folder}",
            f"{listing(train.notices()) or 'it is empty'}; "
            f"known are {USUAL_EXTENSIONS} and what else Pillow decodes",
            next=("set dataset.root to a folder with images", "or convert them to PNG or JPEG"),
        )
    if folder == root:
        return _without_test(train, request, _possible_tests(train), progress)
    tests = tuple(scan(test, named=request.damaged.named) for test in spelt(root, TEST_FOLDERS))
    test = next(filter(has_classes, tests), None)
    if test is not None and has_classes(train):
        return _with_test(train, test, request, progress)
    unused = tuple(f"{tree.folder} is not used: it holds {tree.shape()}, no class folders" for tree in tests)
    others = beside(root, (folder, *(tree.folder for tree in tests)))
    return _without_test(train, request, unused + others, progress)


def _possible_tests(train: Tree) -> tuple[str, ...]:
    """Notices of folders that look like a test, where there is no folder to train on beside them."""
    return tuple(
        f"{train.folder / name} is trained on too, as there is no {train.folder / TRAIN_FOLDERS[0]}"
        for name in train.names
        if name.lower() in TEST_FOLDERS
    )


def _without_test(
    train: Tree, request: SourceRequest, unused: tuple[str, ...], progress: Progress
) -> DataSplits:
    notices = train.notices() + unused
    if not has_classes(train) or train.nested:
        return DataSplits(
            train=read_files(
                train.files,
                None,
                (),
                name="folder",
                split=_split(train, request),
                limit=request.train_images,
                option=TRAIN_OPTION,
                damaged=request.damaged,
                progress=progress,
            ),
            unlabelled=_why_unlabelled(train),
            notices=notices,
        )
    return _with_held_out(train, request, notices, progress)


def _with_test(train: Tree, test: Tree, request: SourceRequest, progress: Progress) -> DataSplits:
    require_known_classes(test, train)
    images = read_classes(
        train,
        train.names,
        name="folder",
        split="train",
        limit=request.train_images,
        option=TRAIN_OPTION,
        damaged=request.damaged,
        progress=progress,
    )
    probe_test = read_classes(
        test,
        train.names,
        name="folder",
        split=test.folder.name,
        limit=request.test_images,
        option=TEST_OPTION,
        damaged=request.damaged,
        progress=progress,
    )
    used = train.folder, test.folder
    notices = (_classes_notice(train), *train.notices(), *test.notices(), *beside(request.root, used))
    if any(folder.name not in USUAL_FOLDERS for folder in used):
        notices = (f"{train.folder} is trained on, {test.folder} is the test", *notices)
    return DataSplits(train=images, probe_train=images, probe_test=probe_test, notices=notices)


def _with_held_out(
    train: Tree, request: SourceRequest, notices: tuple[str, ...], progress: Progress
) -> DataSplits:
    paths, labels = files_and_labels(train, train.names)
    used, held = hold_out(labels, request.held_out) if request.held_out else (torch.arange(len(paths)), None)
    split = _split(train, request)
    images = read_files(
        [paths[index] for index in used.tolist()],
        labels[used],
        train.names,
        name="folder",
        split=split if held is None else f"{split} without held-out",
        limit=request.train_images,
        option=TRAIN_OPTION,
        damaged=request.damaged,
        progress=progress,
    )
    notices = (_classes_notice(train), *notices)
    if held is None or not len(held):
        return DataSplits(train=images, unlabelled=f"{train.folder} has one image per class", notices=notices)
    test = read_files(
        [paths[index] for index in held.tolist()],
        labels[held],
        train.names,
        name="folder",
        split="held-out",
        limit=request.test_images,
        option=TEST_OPTION,
        damaged=request.damaged,
        progress=progress,
    )
    count = count_text(len(held), "image")
    notice = f"{count} ({request.held_out:.0%} of each class) held out for the test"
    return DataSplits(train=images, probe_train=images, probe_test=test, notices=(*notices, notice))


def _split(train: Tree, request: SourceRequest) -> str:
    return "all" if train.folder == request.root else "train"


def _classes_notice(train: Tree) -> str:
    return f"{count_text(len(train.names), 'class', 'classes')} from the folder names: {listing(train.names)}"


def _why_unlabelled(train: Tree) -> str:
    if has_classes(train):
        nested = listing(train.nested)
        return f"in {train.folder} images are deeper than in {nested}, so folders do not count as classes"
    return f"{train.folder} holds {train.shape()}, no class folders"
