"""ImageNet and its hundred-class part, as class folders that the user brings: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from wmse_tui.config.datasets import DATASETS
from wmse_tui.engine.data.sources.class_folders import has_classes, read_classes, require_known_classes
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.scan import Tree, beside, count_text, listing, scan, spelt
from wmse_tui.engine.data.sources.splits import TEST_OPTION, TRAIN_OPTION, DataSplits, SourceRequest
from wmse_tui.engine.errors import DataError

TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("val", "validation", "valid", "test", "testing")


@cache
def imagenet100_classes() -> tuple[str, ...]:
    """The hundred WordNet identifiers of ImageNet-100 (Tian et al. 2020), sorted."""
    text = files(__package__).joinpath("imagenet100.txt").read_text(encoding="utf-8")
    return tuple(sorted(line for line in text.splitlines() if line and not line.startswith("#")))


def load_imagenet(request: SourceRequest, progress: Progress) -> DataSplits:
    """`imagenet` or `imagenet100`: root/train to train on and to probe with, root/val or root/test to test.

    Raises:
        DataError: the class folders are not there.
    """
    facts = DATASETS[request.name]
    only = imagenet100_classes() if request.name == "imagenet100" else None
    if not request.root.is_dir():
        raise layout_error(request.name, f"dataset.root is {request.root}: it is no folder")
    trains, tests = spelt(request.root, TRAIN_FOLDERS), spelt(request.root, TEST_FOLDERS)
    if not trains or not tests:
        lacking = ([] if trains else ["train"]) + ([] if tests else ["val"])
        raise layout_error(request.name, f"dataset.root is {request.root}: it lacks " + " and ".join(lacking))
    train = scan(trains[0], only, named=request.damaged.named)
    test = _first_with_classes([scan(folder, only, named=request.damaged.named) for folder in tests])
    for tree in (train, test):
        _require_classes(request.name, tree, only)
    require_known_classes(test, train)
    notices = train.notices() + test.notices() + beside(request.root, (train.folder, test.folder))
    if len(train.groups) != facts.classes:
        notices += (
            f"{train.folder} has {len(train.groups):,} class folders; {facts.title} has {facts.classes:,}",
        )
    train_images = read_classes(
        train,
        train.names,
        name=request.name,
        split="train",
        limit=request.train_images,
        option=TRAIN_OPTION,
        damaged=request.damaged,
        progress=progress,
    )
    test_images = read_classes(
        test,
        train.names,
        name=request.name,
        split=test.folder.name,
        limit=request.test_images,
        option=TEST_OPTION,
        damaged=request.damaged,
        progress=progress,
    )
    return DataSplits(train=train_images, probe_train=train_images, probe_test=test_images, notices=notices)


def layout_error(name: str, detail: str) -> DataError:
    """The error for a wrong folder layout; these data sets cannot be fetched."""
    title = DATASETS[name].title
    return DataError(
        f"{title} is not there",
        f"{detail}; expected class folders: train/n01440764/IMAGE.JPEG and val/n01440764/... (or test)",
        next=(
            f"set dataset.root to the folder that holds train and val: --set dataset.root=/path/to/{name}",
            "it cannot be downloaded by wmse-tui: ImageNet asks for a registration (image-net.org)",
        ),
    )


def _first_with_classes(trees: Sequence[Tree]) -> Tree:
    """The first test folder that is sorted into classes (the published `test` is not), else the first."""
    return next(filter(has_classes, trees), trees[0])


def _require_classes(name: str, tree: Tree, only: tuple[str, ...] | None) -> None:
    if not has_classes(tree):
        raise layout_error(name, f"{tree.folder} is not sorted into class folders: it holds {tree.shape()}")
    if only is not None and set(tree.names) != set(only):
        missing = tuple(sorted(set(only) - set(tree.names)))
        raise DataError(
            f"ImageNet-100 lacks {count_text(len(missing), 'class folder')}",
            f"{tree.folder} has no {listing(missing)}",
            next=(
                "complete the folder from ImageNet; from a full ImageNet the hundred classes are picked",
                "or train on another hundred classes with dataset.name=folder",
            ),
        )
