"""The request to a source of images, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from wmse_tui.engine.data.images import ImageSet, MemoryImages
from wmse_tui.engine.data.sources.damaged import STOP, DamagedPolicy
from wmse_tui.engine.data.sources.subsets import choose

TRAIN_OPTION = "dataset.train_images"
TEST_OPTION = "dataset.test_images"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """The images requested of a source.

    Args:
        name: of the data set, as the configuration spells it.
        root: the folder of data sets, or of the user's images.
        download: whether the network may be used.
        train_images, test_images: how many to use; None: all.
        held_out: the share of the labelled images held out for the test where there is no test set; 0: none.
        damaged: what becomes of image files that cannot be read.
    """

    name: str
    root: Path
    download: bool = True
    train_images: int | None = None
    test_images: int | None = None
    held_out: float = 0.0
    damaged: DamagedPolicy = STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSplits:
    """The images that a source found.

    Args:
        train: what the encoder learns from.
        probe_train, probe_test: labelled images to judge it with, or None.
        validation: bool (images,), which of `probe_train` are published for validation; None: none are.
        unlabelled: why there are no labelled images.
        notices: facts about the images for people, a sentence each.
    """

    train: ImageSet
    probe_train: ImageSet | None = None
    probe_test: ImageSet | None = None
    validation: Tensor | None = None
    unlabelled: str = ""
    notices: tuple[str, ...] = ()


def limited(images: MemoryImages, limit: int | None, *, option: str) -> MemoryImages:
    """At most `limit` of the images, balanced over the classes.

    Raises:
        DataError: there are fewer.
    """
    chosen = choose(len(images), images.labels, limit, option=option)
    return images if chosen is None else replace(images.take(chosen), split=subset(images.split))


def subset(split: str) -> str:
    """The name of a part of a split, so that no accuracy passes for one of the whole."""
    return f"{split} subset"
