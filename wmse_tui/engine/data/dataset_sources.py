"""From a configuration to its images, by a table of the source of each data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.locations import data_dir, expanded
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.engine.data.fingerprint import Fingerprint, fingerprint_of_images
from wmse_tui.engine.data.images import ImageSet, MemoryImages
from wmse_tui.engine.data.patterns import CLASSES, TEST_SPLIT, TRAIN_SPLIT, draw_patterns
from wmse_tui.engine.data.sources.cifar import load_cifar
from wmse_tui.engine.data.sources.class_folders import read_probe_folders
from wmse_tui.engine.data.sources.damaged import DamagedImages, name_of, path_of, policy_of
from wmse_tui.engine.data.sources.files import FileImages
from wmse_tui.engine.data.sources.folder import load_folder
from wmse_tui.engine.data.sources.imagenet import layout_error, load_imagenet
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.scan import listing
from wmse_tui.engine.data.sources.splits import DataSplits, SourceRequest
from wmse_tui.engine.data.sources.stl10 import load_stl10
from wmse_tui.engine.data.sources.tiny_imagenet import load_tiny_imagenet
from wmse_tui.engine.errors import DataError

Triple = tuple[float, float, float]
Source = Callable[[SourceRequest, Progress], DataSplits]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The images of a run.

    Args:
        train: images to train on.
        probe_train, probe_test: labelled images for the probes; both None without labels.
        mean, std: normalisation of red, green and blue, in 0 to 1.
        notices: sentences about the images for the user.
    """

    train: ImageSet
    probe_train: ImageSet | None
    probe_test: ImageSet | None
    mean: Triple
    std: Triple
    notices: tuple[str, ...]

    def sets(self) -> dict[str, ImageSet]:
        """The sets by what they are for, each once."""
        named = {"train": self.train, "probe_train": self.probe_train, "probe_test": self.probe_test}
        found: dict[str, ImageSet] = {}
        for name, images in named.items():
            if images is not None and all(images is not other for other in found.values()):
                found[name] = images
        return found

    def damaged(self) -> list[DamagedImages]:
        """What was passed over of each set of files."""
        sets = [images for images in self.sets().values() if isinstance(images, FileImages | MemoryImages)]
        return [images.damaged for images in sets if images.damaged is not None]

    @property
    def train_split(self) -> str:
        """The training images as text: `train+unlabeled (105,000)`."""
        return split_text(self.train)

    @property
    def probe_split(self) -> str:
        """The images of the probes as text: `train (5,000) -> test (8,000)`; empty without labels."""
        if self.probe_train is None or self.probe_test is None:
            return ""
        return f"{split_text(self.probe_train)} -> {split_text(self.probe_test)}"


def fingerprint(images: ImageSet) -> Fingerprint:
    """The fingerprint of a set; sets of files have it from the start."""
    if isinstance(images, FileImages | MemoryImages) and images.fingerprint is not None:
        return images.fingerprint
    pixels = images.pixels

    def read(index: int) -> bytes:
        return (np.asarray(images.image(index)) if pixels is None else pixels[index].numpy()).tobytes()

    return fingerprint_of_images(len(images), read, images.labels, images.classes)


def split_text(images: ImageSet) -> str:
    """A set of images as text: `train+unlabeled (105,000)`."""
    return f"{images.split} ({len(images):,})"


def load_data(experiment: Experiment, *, progress: Progress, named: frozenset[str] = frozenset()) -> Data:
    """Find, download or generate the images of an experiment.

    Args:
        experiment: only its `dataset` section is used.
        progress: called with what is being done, how far it is, the total (0: unknown) and the unit; if it
            raises, the disk is left in a state from which the next call continues.
        named: image files that earlier attempts at the run named as damaged, by `image_name`.

    Raises:
        DataError: the images are unavailable or invalid.
    """
    dataset = experiment.dataset
    mean, std = dataset.normalisation()
    request = _request(dataset, named)
    parts = SOURCES[dataset.name](request, progress)
    probe_train, probe_test, notices = parts.probe_train, parts.probe_test, parts.notices
    if dataset.probe_train is not None and dataset.probe_test is not None:
        probe_train, probe_test, skipped = read_probe_folders(
            expanded(dataset.probe_train),
            expanded(dataset.probe_test),
            progress,
            damaged=request.damaged,
            test_images=dataset.test_images,
        )
        notices += skipped
    elif probe_train is None or probe_test is None:
        notices += (f"no labels: no accuracies, loss only ({parts.unlabelled})",)
    sets = dict.fromkeys(images for images in (parts.train, probe_train, probe_test) if images is not None)
    for images in sets:
        if isinstance(images, FileImages | MemoryImages):
            notices += images.notices
    there = tuple(sorted(path for path in request.damaged.named if not request.damaged.removed(path)))
    if there:
        notices += (f"named as damaged by an earlier attempt, and read as they are now: {listing(there)}",)
    return Data(
        train=parts.train,
        probe_train=probe_train,
        probe_test=probe_test,
        mean=mean,
        std=std,
        notices=notices,
    )


def image_name(dataset: Dataset, path: str) -> str:
    """The name of an image file that stays the same when its folder is moved: `root/train/a/0001.jpg`."""
    return name_of(path, dataset, _root(dataset))


def image_path(dataset: Dataset, name: str) -> str:
    """The path of the image file of a name."""
    return path_of(name, dataset, _root(dataset))


def _request(dataset: Dataset, named: frozenset[str]) -> SourceRequest:
    root = _root(dataset)
    return SourceRequest(
        name=dataset.name,
        root=root,
        damaged=policy_of(dataset, root, named),
        download=dataset.download,
        train_images=dataset.train_images,
        test_images=None if dataset.probe_train is not None else dataset.test_images,
        held_out=0.0 if dataset.probe_train is not None else dataset.held_out,
    )


def _root(dataset: Dataset) -> Path:
    if dataset.root is not None:
        return expanded(dataset.root)
    if dataset.name == "folder":
        raise DataError(
            "no folder of images is named",
            "dataset.name is folder and dataset.root is empty",
            next=("set it: --set dataset.root=/path/to/images",),
        )
    if dataset.name in {"imagenet", "imagenet100"}:
        if (data_dir() / dataset.name).is_dir():
            return data_dir() / dataset.name
        raise layout_error(
            dataset.name, f"dataset.root is empty and {data_dir() / dataset.name} does not exist"
        )
    return data_dir()


def _draw(request: SourceRequest, progress: Progress) -> DataSplits:
    """The generated data set `patterns`, with the requested number of images."""
    facts = DATASETS["patterns"]
    size = facts.size or 32
    sets = []
    for split, seed, count in (
        ("train", TRAIN_SPLIT, request.train_images or facts.train_images or 0),
        ("test", TEST_SPLIT, request.test_images or facts.test_images or 0),
    ):
        progress(f"drawing {split} images", 0, count, "images")
        pixels, labels = draw_patterns(count, split_seed=seed, size=size)
        sets.append(MemoryImages(name="patterns", split=split, pixels=pixels, labels=labels, classes=CLASSES))
        progress(f"drawing {split} images", count, count, "images")
    return DataSplits(train=sets[0], probe_train=sets[0], probe_test=sets[1])


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "patterns": _draw,
        "cifar10": load_cifar,
        "cifar100": load_cifar,
        "stl10": load_stl10,
        "tiny_imagenet": load_tiny_imagenet,
        "imagenet100": load_imagenet,
        "imagenet": load_imagenet,
        "folder": load_folder,
    }
)
