"""A folder of the user's own images: what it holds, and the settings with which it can be trained on."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmse_tui.config.datasets import IMAGE_EXTENSIONS, TEST_FOLDERS, TRAIN_FOLDERS
from wmse_tui.config.draft import Draft
from wmse_tui.config.loading import find_preset, shipped_preset_names
from wmse_tui.config.regular_files import open_regular
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.dataset import DEFAULT_HELD_OUT

_SAMPLE, _EACH = 96, 4  # images whose sizes are read, and of one folder
_FEWEST = 32  # images to train on
_STEPS = 4  # of an epoch, at least
_RECIPES = ((48, "cifar10"), (112, "stl10"))
"""Presets for images whose shorter sides are at most so many pixels; else imagenet100."""
_LARGE = "imagenet100"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """What a folder holds.

    Args:
        root: the folder.
        classes: names and counts of the folders directly in the training folder, or `root`, with images.
        top: how many images are in no such folder.
        test_images: in the folder for the test; None: there is none, a share of the others is held out.
        sides: the shorter sides of a sample, in pixels, ascending.
        unreadable: how many of the sample are no images that can be read.
        complete: the counting came to its end in time.
    """

    root: Path
    classes: tuple[tuple[str, int], ...]
    top: int
    test_images: int | None
    sides: tuple[int, ...]
    unreadable: int
    complete: bool

    @property
    def images(self) -> int:
        """The images that are not in a folder for the test."""
        return self.top + sum(number for _, number in self.classes)


def walk_images(folder: Path, deadline: float) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Each folder below `folder`, and the names of its images; links are followed, hidden folders skipped.

    Raises:
        TimeoutError: it is later than `deadline` (of `time.monotonic`): a link leads to a folder above, say.
    """
    for path, inner, names in os.walk(folder, followlinks=True):
        if time.monotonic() > deadline:
            raise TimeoutError
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        found = (name for name in names if os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS)  # noqa: PTH122
        yield Path(path), tuple(sorted(found))


def part_of(root: Path, names: tuple[str, ...]) -> Path | None:
    """The folder in `root` that has one of these names, in capitals or not. Raises OSError."""
    folders = [entry.name for entry in os.scandir(root) if entry.is_dir()]
    return next((root / name for wanted in names for name in folders if name.lower() == wanted), None)


def read_image_folder(root: Path, *, seconds: float = 3.0) -> ImageFolder:
    """Count the images of a folder by their names, and read the sizes of a sample.

    Raises:
        OSError: the folder cannot be read.
    """
    deadline = time.monotonic() + seconds
    train, test = part_of(root, TRAIN_FOLDERS), part_of(root, TEST_FOLDERS)
    below = train or root
    classes: dict[str, int] = {}
    top = tested = 0
    sample: list[Path] = []
    complete = True
    try:
        for folder, names in walk_images(below, deadline):
            if train is None and test is not None and folder.is_relative_to(test):
                continue
            name = folder.relative_to(below).parts[0] if folder != below else ""
            if name and names:
                classes[name] = classes.get(name, 0) + len(names)
            else:
                top += len(names)
            sample += [folder / each for each in names[:_EACH]]
        if test is not None:
            tested = sum(len(names) for _, names in walk_images(test, deadline))
    except TimeoutError:
        complete = False
    sides = [_shorter_side(path) for path in sample[:: 1 + len(sample) // _SAMPLE]]
    return ImageFolder(
        root=root,
        classes=tuple(sorted(classes.items())),
        top=top,
        test_images=None if test is None else tested,
        sides=tuple(sorted(side for side in sides if side)),
        unreadable=sides.count(0),
        complete=complete,
    )


def _shorter_side(path: Path) -> int:
    """Of an image, from its header; 0: it cannot be read."""
    from PIL import Image  # what finds images by their names needs no decoder

    try:
        with open_regular(path) as file, Image.open(file) as image:
            return min(image.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError):
        return 0


def folder_problem(found: ImageFolder) -> str:
    """Why the folder cannot be trained on, or ""."""
    if not found.images:
        return "It holds no images; names end with .jpg, .png and so on."
    if not found.sides:
        return "None of its images can be read."
    if _to_train_on(found) < _FEWEST:
        return f"{found.images} images are too few to train on: {_FEWEST} and a test are the least."
    return ""


def _to_train_on(found: ImageFolder) -> int:
    held_out = DEFAULT_HELD_OUT if found.test_images is None else 0.0
    return found.images - round(held_out * found.images)


def folder_draft(found: ImageFolder) -> Draft:
    """The recipe for images of about that size, with sizes that fit their number.

    A batch is at most a quarter of the images, so that an epoch has some steps; with few images the slices
    and the embedding shrink with it, the slice being twice the embedding as in the paper.
    """
    side = statistics.median(found.sides)
    preset = next((name for limit, name in _RECIPES if side <= limit), _LARGE)
    draft = Draft(find_preset(preset))
    values = draft.values
    size, dim = int(values["method.whitening_size"]), int(values["projector.dim"])
    images = _to_train_on(found)
    while size > images // 2:
        size, dim = size // 2, min(dim, size // 4)
    batch = min(int(values["schedule.batch_size"]), max(images // _STEPS // size, 1) * size)
    changes: Mapping[str, Any] = {
        "dataset.name": "folder",
        "dataset.root": str(found.root),
        "method.whitening_size": size,
        "projector.dim": dim,
        "schedule.batch_size": batch,
    }
    for path, value in changes.items():
        draft = draft.with_value(path, value)
    return draft


def beginning_of_id(experiment: Experiment, preset: str) -> str:
    """The beginning of the id of a run without a name: its preset, or the folder of the user's own images.

    The folder replaces a shipped preset, which is named after other images; a preset of the user's stays.
    """
    dataset = experiment.dataset
    if dataset.name != "folder" or dataset.root is None or (preset and preset not in shipped_preset_names()):
        return preset
    return dataset.root.name or preset
