"""Whether the images of an experiment are on this machine. Reads folders, so call it in a thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wmse_tui.config.advice import Advice, advise
from wmse_tui.config.datasets import DATASETS, TRAIN_FOLDERS
from wmse_tui.config.image_folder import part_of, walk_images
from wmse_tui.config.locations import data_dir, expanded
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.dataset import Dataset

OWN = ("folder", "imagenet", "imagenet100")
"""Data sets whose images the user brings."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Where the images are.

    Args:
        state: generated when needed; here; an archive that is here and will be unpacked; to be
            downloaded; missing, so that the run would fail.
        path: the folder where the images are, or are expected; None where they are generated.
        lacking: the folders that are missing.
        download: bytes that will be downloaded.
    """

    state: Literal["drawn", "here", "archive", "download", "missing"]
    path: Path | None = None
    lacking: tuple[Path, ...] = ()
    download: int = 0


def find_images(dataset: Dataset) -> Presence:
    """Find the images; no file is opened, and a folder that cannot be read counts as missing."""
    probes = [expanded(folder) for folder in (dataset.probe_train, dataset.probe_test) if folder is not None]
    lacking = tuple(folder for folder in probes if not _is_dir(folder))
    found = _images(dataset)
    if not lacking:
        return found
    return Presence("missing", found.path, (*found.lacking, *lacking))


def presence_advice(dataset: Dataset, presence: Presence) -> tuple[Advice, ...]:
    """A warning of a run that would fail because its images are missing."""
    if presence.state != "missing":
        return ()
    title = DATASETS[dataset.name].title
    where = ", ".join(map(str, presence.lacking))
    if dataset.name in OWN or (presence.lacking and presence.path not in presence.lacking):
        text = f"no such folder: {where}; the run would fail"
    else:
        text = f"{title} is not on this machine ({where}), and dataset.download is false; the run would fail"
    path = "dataset.root" if presence.path in presence.lacking else "dataset.probe_train"
    return (Advice(path, "warning", text),)


@dataclass(frozen=True, slots=True)
class OwnImages:
    """What a user's folder holds to train on: images, and folders directly in it that hold some."""

    images: int
    folders: int


def count_own_images(dataset: Dataset, *, seconds: float = 1.0) -> OwnImages | None:
    """Count the images of `dataset.root` by their names: those below `train` where there is such a folder.

    None: the data set is not the user's own, its folder cannot be read, or counting took over `seconds`.
    """
    if dataset.name != "folder" or dataset.root is None:
        return None
    root = expanded(dataset.root)
    images, holding = 0, set()
    try:
        below = part_of(root, TRAIN_FOLDERS) or root
        for folder, names in walk_images(below, time.monotonic() + seconds):
            images += len(names)
            if names and folder != below:
                holding.add(folder.relative_to(below).parts[0])
    except OSError:  # a TimeoutError, too
        return None
    return OwnImages(images, len(holding))


def with_own_images(experiment: Experiment, own: OwnImages | None) -> Experiment:
    """`experiment` with the number of its images where they have been counted: for estimates only."""
    if own is None or own.images < 2:
        return experiment
    images = min(own.images, experiment.dataset.train_images or own.images)
    return experiment.model_copy(
        update={"dataset": experiment.dataset.model_copy(update={"train_images": images})}
    )


def own_images_advice(experiment: Experiment, own: OwnImages | None) -> tuple[Advice, ...]:
    """What the number of the user's own images means for a run that would fail, or end in its warm-up."""
    if own is None:
        return ()
    if not own.images:
        return (Advice("dataset.root", "warning", "this folder holds no images; the run would fail"),)
    return (
        *_limit_advice(experiment, own), *_batch_advice(experiment, own), *_warm_up_advice(experiment, own)
    )  # fmt: skip


def _limit_advice(experiment: Experiment, own: OwnImages) -> Iterator[Advice]:
    wanted = experiment.dataset.train_images
    if wanted is not None and wanted > own.images:
        yield Advice(
            "dataset.train_images",
            "warning",
            f"the folder has {own.images:,} images to train on, not {wanted:,}; the run would fail",
            (("dataset.train_images", ""),),
        )


def _warm_up_advice(experiment: Experiment, own: OwnImages) -> Iterator[Advice]:
    known = tuple(advise(experiment))
    counted = with_own_images(experiment, own)
    if counted.schedule.batch_size <= own.images:
        yield from (
            advice
            for advice in advise(counted)
            if advice.path == "schedule.warmup_steps" and advice not in known
        )


def _batch_advice(experiment: Experiment, own: OwnImages) -> tuple[Advice, ...]:
    batch = experiment.schedule.batch_size
    if own.images >= batch:
        return ()
    text = f"the folder has {own.images:,} images to train on, a batch {batch}; the run would fail"
    size = getattr(experiment.method, "whitening_size", 1)
    fitting = own.images // size * size
    if not fitting:
        return (Advice("schedule.batch_size", "warning", f"{text}; a slice of {size} is too large, too"),)
    return (
        Advice(
            "schedule.batch_size",
            "warning",
            f"{text}: use {fitting} or fewer",
            (("schedule.batch_size", str(fitting)),),
        ),
    )


def _images(dataset: Dataset) -> Presence:
    facts = DATASETS[dataset.name]
    if dataset.name == "patterns":
        return Presence("drawn")
    root = data_dir() if dataset.root is None else expanded(dataset.root)
    if dataset.name in OWN:
        place = root / dataset.name if dataset.root is None else root
        needed = (place,) if dataset.name == "folder" else (place / "train",)
        lacking = tuple(folder for folder in needed if not _is_dir(folder))
        return Presence("missing", lacking[0], lacking) if lacking else Presence("here", place)
    place = root if root.name == facts.folder else root / facts.folder
    if _is_dir(place):
        return Presence("here", place)
    if _is_file(root / facts.archive):
        return Presence("archive", root / facts.archive)
    if dataset.download:
        return Presence("download", place, download=facts.archive_bytes)
    return Presence("missing", place, (place,))


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no permission
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
