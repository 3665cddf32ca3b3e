"""The images that measurements and previews use: the experiment's own where they are on this machine.

Nothing is downloaded and nothing unpacked. Where the data set is not here, patterns of its size replace it,
and `CachedImages.why` is the reason. Of sets that take long to read as a whole only a part is read; the
numbers of its images in the whole set are recorded, since randomness is counted by them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.figures import training_images
from wmse_tui.config.locations import data_dir, expanded
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.images import UNLABELLED, ImageSet, MemoryImages
from wmse_tui.engine.data.patterns import CLASSES, TRAIN_SPLIT, draw_patterns
from wmse_tui.engine.data.sources import cifar, stl10, tiny_imagenet
from wmse_tui.engine.data.sources.acquire import Publication
from wmse_tui.engine.data.sources.splits import TRAIN_OPTION
from wmse_tui.engine.data.sources.subsets import choose
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.evaluation.interruption import Progress, no_progress
from wmse_tui.engine.random import subset_order

PUBLICATIONS: dict[str, Callable[[], Publication]] = {
    "cifar10": lambda: cifar.cifar_publication("cifar10"),
    "cifar100": lambda: cifar.cifar_publication("cifar100"),
    "stl10": stl10.stl10_publication,
    "tiny_imagenet": tiny_imagenet.tiny_imagenet_publication,
}
FROM_FILES = frozenset({"imagenet", "imagenet100", "folder"})
"""Sets whose images are decoded as they are needed."""

READ_IN_PART = frozenset({"stl10", "tiny_imagenet", "patterns"})
"""Sets of gigabytes, of a hundred thousand files that would all be decoded, or of any size."""

PART = 2048  # images of such a part; more where a batch is larger
PATTERN_PIXELS, LEAST_PATTERNS = 2**22, 64  # of the patterns that are drawn, before they repeat
REPEATS = 64  # times the requested images replace image files, so that epochs are not short
PHOTOGRAPH = 8 / 7  # side of a replacement for a photograph, in sides of the training crop
SHOWN = 64  # images that a preview can choose from
REFUSAL_SECONDS = 30.0  # how long the absence of a data set is assumed without another check


@dataclass(frozen=True, slots=True, eq=False)
class RepeatedImages:
    """`count` images as if read from files one by one: those of a set, repeated."""

    images: MemoryImages
    count: int
    pixels: None = None

    @property
    def name(self) -> str:
        """That of the set."""
        return self.images.name

    @property
    def split(self) -> str:
        """That of the set."""
        return self.images.split

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of the set."""
        return self.images.classes

    @property
    def labels(self) -> Tensor | None:
        """Those of the set."""
        labels = self.images.labels
        return None if labels is None else labels[self._rows(torch.arange(self.count))]

    def __len__(self) -> int:
        return self.count

    def image(self, index: int) -> Image.Image:
        """Image `index`, RGB."""
        return self.images.image(index % len(self.images))

    def take(self, indices: Tensor) -> MemoryImages:
        """The images at `indices`, in that order."""
        return self.images.take(self._rows(indices))

    def _rows(self, indices: Tensor) -> Tensor:
        return indices % len(self.images)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CachedImages:
    """Images to work with.

    Args:
        train: the set, or the part of it that was read.
        source: the data set's name, or "patterns".
        why: why it is not the experiment's own; empty if it is.
        numbers: the number of each image in the whole set, int64 (images,); None: its index in `train`.
        whole: the size of the whole training set; None: not known.
        probes: how many labelled images train and test the probes; None: not known, (0, 0): there are none.
        shown: which of `train` a preview shows, in order: different classes first.
    """

    train: ImageSet
    source: str
    why: str
    numbers: Tensor | None
    whole: int | None
    probes: tuple[int, int] | None
    shown: tuple[int, ...]


class ImageCache:
    """The images that were loaded last; several threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cached: dict[str, CachedImages] = {}
        self._refusals: dict[str, tuple[float, str]] = {}

    def get(
        self,
        experiment: Experiment,
        *,
        least: int,
        progress: Progress = no_progress,
        check: Callable[[], None] = lambda: None,
    ) -> CachedImages:
        """The images of an experiment, or what replaces them; `least` of them if there are so many.

        Args:
            progress: called while images are read or drawn; what it raises ends the reading.
            check: called while another thread reads; what it raises ends the waiting.
        """
        while not self._lock.acquire(timeout=0.1):
            check()
        try:
            why = self._refusal(experiment)
            if not why:
                try:
                    return self._own(experiment, progress, least)
                except DataError as error:
                    why = str(error)
                    self._refusals[_key(experiment)] = (time.monotonic(), why)
            return replace(self._replacement(experiment, progress, least), why=why)
        finally:
            self._lock.release()

    def _refusal(self, experiment: Experiment) -> str:
        when, why = self._refusals.get(_key(experiment), (0.0, ""))
        return why if why and time.monotonic() - when < REFUSAL_SECONDS else ""

    def _own(self, experiment: Experiment, progress: Progress, least: int) -> CachedImages:
        key = _key(experiment)
        cached = self._cached.get(key)
        if cached is None or len(cached.train) < min(least, cached.whole or 0):
            self._forget("own")
            cached = self._cached[key] = _load(experiment, progress, max(PART, least))
        return cached

    def _replacement(self, experiment: Experiment, progress: Progress, least: int) -> CachedImages:
        side, one_by_one = _side(experiment), _one_by_one(experiment)
        key = f"replacement {side} {one_by_one}"
        cached = self._cached.get(key)
        if cached is None or len(cached.train) < least:
            self._forget("replacement")
            drawn = drawn_patterns(least, side, progress)
            train: ImageSet
            if one_by_one:
                train = RepeatedImages(drawn, REPEATS * least)
            else:
                train = drawn.take(torch.arange(least) % len(drawn))
            cached = self._cached[key] = CachedImages(
                train=train,
                source="patterns",
                why="",
                numbers=None,
                whole=None,
                probes=None,
                shown=_shown(train),
            )
        return replace(cached, whole=training_images(experiment), probes=_published_probes(experiment))

    def _forget(self, kind: str) -> None:
        """Drop what was loaded before: one real set and one replacement are enough memory."""
        for key in [key for key in self._cached if key.startswith(kind)]:
            del self._cached[key]


def drawn_patterns(count: int, side: int, progress: Progress) -> MemoryImages:
    """At most `count` patterns of `side` x `side` pixels; fewer where drawing them all would take long."""
    count = min(count, max(LEAST_PATTERNS, PATTERN_PIXELS // side**2))
    pieces = []
    for first in range(0, count, 64):
        progress("drawing patterns", first, count, "images")
        numbers = torch.arange(first, min(first + 64, count))
        pieces.append(draw_patterns(numbers, split_seed=TRAIN_SPLIT, size=side))
    pixels, labels = (torch.cat(parts) for parts in zip(*pieces, strict=True))
    return MemoryImages(name="patterns", split="train", pixels=pixels, labels=labels, classes=CLASSES)


def _load(experiment: Experiment, progress: Progress, part: int) -> CachedImages:
    """Raises DataError: the data set is missing or incomplete."""
    dataset = experiment.dataset
    _require_unpacked(experiment)
    whole = training_images(experiment)
    partly = whole is not None and whole > part and dataset.name in READ_IN_PART
    probes = _published_probes(experiment)
    changes: dict[str, object] = {"download": False}
    if partly:
        changes["train_images"] = part
    if probes is not None:  # the test images are not needed: one is enough
        changes |= {"test_images": 1}
    reduced = experiment.model_copy(update={"dataset": dataset.model_copy(update=changes)})
    data = load_data(reduced, progress=progress)
    if probes is None:
        found = (data.probe_train, data.probe_test)
        probes = (0, 0) if found[0] is None or found[1] is None else (len(found[0]), len(found[1]))
    return CachedImages(
        train=data.train,
        source=dataset.name,
        why="",
        numbers=_numbers(experiment, part) if partly else None,
        whole=whole if partly else len(data.train),
        probes=probes,
        shown=_shown(data.train),
    )


def _require_unpacked(experiment: Experiment) -> None:
    """Raises DataError: a published data set is not here, or still in its archive."""
    dataset = experiment.dataset
    if dataset.name not in PUBLICATIONS:
        return
    publication = PUBLICATIONS[dataset.name]()
    root = data_dir() if dataset.root is None else expanded(dataset.root)
    if root.name == publication.folder and root.is_dir():
        return
    if not (root / publication.folder).is_dir():
        packed = (root / publication.remote.name).is_file()
        raise DataError(
            f"{publication.title} is not in {root}" + (" but in its archive" if packed else ""),
            "a run unpacks it" if packed else "a run fetches it" if dataset.download else "",
        )


def _numbers(experiment: Experiment, part: int) -> Tensor | None:
    """The numbers that the images of a part have in the training set of a run."""
    dataset, facts = experiment.dataset, DATASETS[experiment.dataset.name]
    if dataset.name == "patterns":
        return None  # the first ones are drawn
    published, classes = facts.train_images, facts.classes
    assert published is not None
    assert classes is not None
    labels = None
    if dataset.name == "tiny_imagenet":  # class by class, equally many of each
        labels = torch.arange(published) // (published // classes)
    read = choose(published, labels, part, option=TRAIN_OPTION)
    trained = choose(published, labels, dataset.train_images, option=TRAIN_OPTION)
    if read is None or trained is None:
        return read
    return torch.searchsorted(trained, read)  # a smaller choice is part of every larger one


def _published_probes(experiment: Experiment) -> tuple[int, int] | None:
    dataset, facts = experiment.dataset, DATASETS[experiment.dataset.name]
    if dataset.probe_train is not None or facts.probe_train_images is None or facts.test_images is None:
        return None
    train = facts.probe_train_images
    if facts.probe_split == facts.train_split and dataset.train_images is not None:
        train = dataset.train_images
    return train, dataset.test_images or facts.test_images


def _shown(train: ImageSet) -> tuple[int, ...]:
    """Up to `SHOWN` images, the same ones each time: the first few are of different classes."""
    if train.name == "patterns":  # their classes alternate, and there may be more of them the next time
        return tuple(range(min(SHOWN, len(train))))
    order = subset_order(len(train))
    if train.labels is None:
        return tuple(order[:SHOWN].tolist())
    labels = train.labels[order].tolist()
    first: dict[int, int] = {}
    for label, index in zip(labels, order.tolist(), strict=True):
        if label != UNLABELLED:
            first.setdefault(label, index)
    chosen = list(first.values())[:SHOWN]
    rest = [index for index in order[: 2 * SHOWN].tolist() if index not in set(chosen)]
    return tuple((chosen + rest)[:SHOWN])


def _one_by_one(experiment: Experiment) -> bool:
    """Whether a run would decode the images of the data set as they are needed."""
    return experiment.dataset.name in FROM_FILES and experiment.compute.loader != "batched"


def _side(experiment: Experiment) -> int:
    """The side of a replacement for an image of the data set, px."""
    side = DATASETS[experiment.dataset.name].size
    return round(PHOTOGRAPH * experiment.dataset.crop) if side is None else side


def _key(experiment: Experiment) -> str:
    """What the images of an experiment depend on."""
    fields = ("name", "root", "train_images", "test_images", "held_out", "probe_train", "probe_test")
    values = {name: str(getattr(experiment.dataset, name)) for name in fields}
    return f"own {json.dumps(values)} {data_dir()}"
