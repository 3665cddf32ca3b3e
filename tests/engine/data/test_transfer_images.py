"""From the name of a transfer set to its labelled images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.config.transfer_sets import TRANSFER_SETS, transfer_sets
from wmse_tui.engine.data.transfer_images import SOURCES, load_transfer_images
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]


def fill(root: Path, *folders: str, images: int = 6) -> None:
    for shade, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for index in range(images):
            pixels = np.full((9, 12, 3), 40 * shade + index, np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{index}.png")


def test_each_set_has_a_source_and_each_source_a_set() -> None:
    assert set(SOURCES) == {*TRANSFER_SETS, "folder"}


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("a", "b"), ("all without held-out", "held-out")),
        (("train/a", "train/b", "val/a", "val/b"), ("train", "val")),
    ],
)
def test_a_folder_has_the_splits_of_its_layout(
    tmp_path: Path, progress: Progress, folders: tuple[str, ...], splits: tuple[str, str]
) -> None:
    fill(tmp_path, *folders)
    (about,) = transfer_sets([str(tmp_path)])
    images = load_transfer_images(about, Dataset(), progress=progress)
    assert (images.train.split, images.test.split) == splits
    assert images.train.classes == images.test.classes == ("a", "b")
    assert images.validation is None


def test_a_folder_without_labels_is_refused_with_the_layout_that_has_them(
    tmp_path: Path, progress: Progress
) -> None:
    fill(tmp_path, "only")
    (about,) = transfer_sets([str(tmp_path)])
    with pytest.raises(DataError) as caught:
        load_transfer_images(about, Dataset(), progress=progress)
    assert caught.value.title == f"{tmp_path} has no labels to transfer to"
    assert "train/CLASS and test/CLASS" in caught.value.next[0]


def test_a_set_that_is_not_there_is_not_fetched_where_that_is_not_allowed(
    tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        load_transfer_images(TRANSFER_SETS["cifar10"], Dataset(download=False), progress=progress)
    assert caught.value.title == f"CIFAR-10 is not in {tmp_path}"
