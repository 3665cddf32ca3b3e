"""The labelled images of a transfer set: those to train a probe on and those to test it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from torch import Tensor

from wmse_tui.config.locations import data_dir
from wmse_tui.config.sections.dataset import DEFAULT_HELD_OUT, Dataset
from wmse_tui.config.transfer_sets import TransferSet
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.other_patterns import other_patterns
from wmse_tui.engine.data.sources.cifar import load_cifar
from wmse_tui.engine.data.sources.damaged import policy_of
from wmse_tui.engine.data.sources.folder import load_folder
from wmse_tui.engine.data.sources.labelled_archives import (
    load_aircraft,
    load_dtd,
    load_eurosat,
    load_flowers102,
    load_food101,
    load_gtsrb,
    load_pets,
    load_svhn,
)
from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.data.sources.splits import DataSplits, SourceRequest
from wmse_tui.engine.data.sources.stl10 import load_labelled_stl10
from wmse_tui.engine.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferImages:
    """The images of one set.

    Args:
        about: the set.
        train, test: labelled images of the same classes.
        validation: bool (images,), the published validation part of `train`; None where there is none.
    """

    about: TransferSet
    train: ImageSet
    test: ImageSet
    validation: Tensor | None = None


Source = Callable[[SourceRequest, Progress], DataSplits]


def load_transfer_images(about: TransferSet, dataset: Dataset, *, progress: Progress) -> TransferImages:
    """Find, download or draw the images of a set.

    Args:
        about: the set.
        dataset: of the run: whether the network may be used, and what becomes of damaged images.
        progress: called with the progress; may raise to stop.

    Raises:
        DataError: the images are unavailable or invalid, or a folder has no labels or no test.
    """
    root = Path(about.name) if about.folder else data_dir()
    request = SourceRequest(
        name="folder" if about.folder else about.name,
        root=root,
        damaged=policy_of(dataset, root),
        download=dataset.download,
        held_out=DEFAULT_HELD_OUT,
    )
    splits = SOURCES[request.name](request, progress)
    if splits.probe_train is None or splits.probe_test is None:
        raise DataError(
            f"{about.name} has no labels to transfer to",
            splits.unlabelled,
            next=("sort the images into one folder per class: CLASS/IMAGE, or train/CLASS and test/CLASS",),
        )
    return TransferImages(
        about=about, train=splits.probe_train, test=splits.probe_test, validation=splits.validation
    )


def _draw(_request: SourceRequest, progress: Progress) -> DataSplits:
    progress("drawing patterns", 0, 0, "")
    train, test = other_patterns()
    return DataSplits(train=train, probe_train=train, probe_test=test)


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "patterns": _draw,
        "cifar10": load_cifar,
        "cifar100": load_cifar,
        "stl10": load_labelled_stl10,
        "svhn": load_svhn,
        "eurosat": load_eurosat,
        "gtsrb": load_gtsrb,
        "dtd": load_dtd,
        "flowers102": load_flowers102,
        "pets": load_pets,
        "food101": load_food101,
        "aircraft": load_aircraft,
        "folder": load_folder,
    }
)
"""What reads each set of `TRANSFER_SETS`, and a folder."""
