"""ImageNet and ImageNet-100 as class folders that the user brings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data, load_data
from wmse_tui.engine.data.sources.imagenet import imagenet100_classes
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]
Picture = Callable[..., Path]
Load = Callable[..., Data]


@pytest.fixture
def load(progress: Progress, experiment_on: Callable[..., Experiment]) -> Load:
    return lambda name, root: load_data(experiment_on(name=name, root=root), progress=progress)


def fill(root: Path, picture: Picture, classes: tuple[str, ...], splits: tuple[str, ...]) -> None:
    for split in splits:
        for number, name in enumerate(classes):
            picture(root / split / name / f"{name}_1.JPEG", shade=number, size=(8, 8 + number % 2))


def test_the_hundred_classes_are_the_published_ones() -> None:
    classes = imagenet100_classes()
    assert len(set(classes)) == 100
    assert list(classes) == sorted(classes)
    assert all(len(name) == 9 and name[0] == "n" and name[1:].isdigit() for name in classes)
    digest = hashlib.sha256("\n".join(classes).encode()).hexdigest()
    assert digest == "d61d354b64beb3ce2c2c9cf04a874298362dc9fcd589e15ee34c5e4592145746"


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_hundred_classes_are_picked_from_a_full_imagenet(
    tmp_path: Path, picture: Picture, load: Load, split: str
) -> None:
    fill(tmp_path, picture, (*imagenet100_classes(), "n00000001", "n99999999"), ("train", split))
    data = load("imagenet100", tmp_path)
    assert data.probe_split == f"train (100) -> {split} (100)"
    assert data.train.classes == imagenet100_classes()
    assert data.train.pixels is None  # two sizes: from the files
    assert data.train.labels is not None
    assert data.train.labels.tolist() == list(range(100))
    assert data.train.image(42).getpixel((0, 0)) == (42, 42, 42)
    assert data.notices == ()


def test_other_spellings_are_understood_and_what_is_beside_is_reported(
    tmp_path: Path, picture: Picture, load: Load
) -> None:
    fill(tmp_path, picture, imagenet100_classes(), ("Train", "VAL"))
    picture(tmp_path / "test" / "a.JPEG")
    data = load("imagenet100", tmp_path)
    assert data.probe_split == "train (100) -> VAL (100)"
    assert data.notices == (f"{tmp_path}/test is not used: it holds 1 image",)


def test_a_missing_class_of_the_hundred_is_named(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, imagenet100_classes()[1:], ("train", "val"))
    with pytest.raises(DataError) as caught:
        load("imagenet100", tmp_path)
    assert caught.value.title == "ImageNet-100 lacks 1 class folder"
    assert caught.value.detail == f"{tmp_path}/train has no {imagenet100_classes()[0]}"


def test_another_number_of_classes_is_reported(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, ("n00000001", "n00000002"), ("train", "val"))
    assert load("imagenet", tmp_path).notices == (
        f"{tmp_path}/train has 2 class folders; ImageNet has 1,000",
    )


def test_the_sorted_one_of_val_and_test_is_used(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, ("n00000001", "n00000002"), ("train", "test"))
    picture(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    assert load("imagenet", tmp_path).probe_split == "train (2) -> test (2)"


def test_unsorted_validation_images_are_refused(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, ("n00000001", "n00000002"), ("train",))
    picture(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(DataError) as caught:
        load("imagenet", tmp_path)
    assert caught.value.detail == (
        f"{tmp_path}/val is not sorted into class folders: it holds 1 image directly in it; "
        "expected class folders: train/n01440764/IMAGE.JPEG and val/n01440764/... (or test)"
    )


@pytest.mark.parametrize(
    ("splits", "complaint"),
    [((), "it is no folder"), (("train",), "it lacks val"), (("val",), "it lacks train")],
)
def test_a_wrong_folder_is_an_error_with_the_expected_layout(
    tmp_path: Path, picture: Picture, load: Load, splits: tuple[str, ...], complaint: str
) -> None:
    root = tmp_path / "imagenet"
    fill(root, picture, ("n00000001", "n00000002"), splits)
    with pytest.raises(DataError) as caught:
        load("imagenet", root)
    assert caught.value.title == "ImageNet is not there"
    assert caught.value.detail.startswith(f"dataset.root is {root}: {complaint}; expected class folders")
    assert caught.value.next[0].endswith("--set dataset.root=/path/to/imagenet")


def test_without_a_root_the_data_folder_is_searched(
    tmp_path: Path, picture: Picture, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        load("imagenet100", None)
    assert caught.value.title == "ImageNet-100 is not there"
    assert caught.value.detail.startswith(
        f"dataset.root is empty and {tmp_path}/imagenet100 does not exist; expected class folders"
    )
    fill(tmp_path / "imagenet100", picture, imagenet100_classes(), ("train", "val"))
    assert load("imagenet100", None).train_split == "train (100)"
