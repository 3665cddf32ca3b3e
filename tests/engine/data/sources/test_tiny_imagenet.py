"""Tiny ImageNet as published and as people re-arrange it; the raw `val` folder never becomes one class."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data, load_data
from wmse_tui.engine.data.sources import tiny_imagenet
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]
Load = Callable[..., Data]

WNIDS = [f"n{number:08d}" for number in range(200)]
TEST_LABELS = [(7 * index + 3) % 200 for index in range(200)]


def jpeg(shade: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), shade, np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def members() -> list[tuple[str, bytes]]:
    """The published layout: one training image per class, whose shade is its class."""
    top = "tiny-imagenet-200"
    made = [(f"{top}/train/{wnid}/images/{wnid}_0.JPEG", jpeg(i)) for i, wnid in enumerate(WNIDS)]
    made += [(f"{top}/train/{wnid}/{wnid}_boxes.txt", b"0 0 1 1") for wnid in WNIDS]
    made += [(f"{top}/val/images/val_{i}.JPEG", jpeg(label)) for i, label in enumerate(TEST_LABELS)]
    lines = [f"val_{i}.JPEG\t{WNIDS[label]}\t0\t0\t9\t9\n" for i, label in enumerate(TEST_LABELS)]
    made.append((f"{top}/val/val_annotations.txt", "".join(lines).encode()))
    made += [(f"{top}/test/images/test_{i}.JPEG", jpeg(0)) for i in range(3)]
    return made


@pytest.fixture
def load(
    server: Any,
    tmp_path: Path,
    zipped: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    progress: Progress,
    experiment_on: Callable[..., Experiment],
) -> Load:
    """Load a small Tiny ImageNet from the local server."""
    body = zipped(tmp_path / "made.zip", *members()).read_bytes()
    remote, _ = server.publish("tiny-imagenet-200.zip", body)
    monkeypatch.setattr(tiny_imagenet, "URL", remote.url)
    monkeypatch.setattr(tiny_imagenet, "MD5", remote.md5)
    facts = replace(DATASETS["tiny_imagenet"], archive_bytes=remote.size)
    monkeypatch.setattr(tiny_imagenet, "DATASETS", {**DATASETS, "tiny_imagenet": facts})
    root = tmp_path / "data"
    return lambda **options: load_data(
        experiment_on(name="tiny_imagenet", root=root, **options), progress=progress
    )


@pytest.fixture
def home(load: Load, tmp_path: Path) -> Path:
    """The data set, fetched and unpacked."""
    load(train_images=2, test_images=2)
    return tmp_path / "data" / "tiny-imagenet-200"


def assert_labels_match_shades(data: Data, split: str) -> None:
    """In these images the shade is the class, so a shuffled label would show."""
    assert data.probe_test is not None
    assert data.probe_test.split == split
    for images in (data.train, data.probe_test):
        assert images.labels is not None
        assert images.pixels is not None
        assert images.pixels.shape == (200, 3, 64, 64)
        shades = images.pixels.float().mean((1, 2, 3))
        assert (shades - images.labels).abs().max() < 2
        assert images.labels.unique().numel() == 200
        assert images.classes == tuple(WNIDS)


def test_the_validation_images_are_labelled_by_their_annotations(load: Load) -> None:
    data = load()
    assert_labels_match_shades(data, "val")
    assert data.train is data.probe_train
    assert data.notices == (
        "Tiny ImageNet's train folder has 200 images; 100,000 were published",
        "Tiny ImageNet's val folder has 200 images; 10,000 were published",
    )


@pytest.mark.parametrize("folder", ["val", "test"])
def test_a_copy_sorted_into_class_folders_is_read_as_such(load: Load, home: Path, folder: str) -> None:
    images = sorted((home / "val" / "images").iterdir(), key=lambda path: int(path.stem[4:]))
    shutil.rmtree(home / "test")
    for path, label in zip(images, TEST_LABELS, strict=True):
        (home / folder / WNIDS[label]).mkdir(parents=True, exist_ok=True)
        path.rename(home / folder / WNIDS[label] / path.name)
    (home / "val" / "images").rmdir()
    (home / "val" / "val_annotations.txt").unlink()
    assert_labels_match_shades(load(), folder)


def test_a_raw_validation_folder_without_annotations_is_refused(load: Load, home: Path) -> None:
    (home / "val" / "val_annotations.txt").unlink()
    with pytest.raises(DataError) as caught:
        load()
    assert caught.value.title == "the labels of Tiny ImageNet's test images are missing"
    assert f"{home}/val holds 1 folder with 200 images (images)" in caught.value.detail
    assert f"{home}/test holds 1 folder with 3 images (images)" in caught.value.detail
    assert caught.value.next[0].startswith(f"move {home} away and start again")


def test_training_folders_that_are_not_the_two_hundred_are_refused(load: Load, home: Path) -> None:
    shutil.rmtree(home / "train" / WNIDS[7])
    with pytest.raises(DataError) as caught:
        load()
    assert caught.value.title == f"Tiny ImageNet in {home} is incomplete"
    assert f"{home}/train should hold 200 class folders, it holds 199 folders" in caught.value.detail


def test_annotations_that_do_not_fit_are_named_with_their_line(load: Load, home: Path) -> None:
    annotations = home / "val" / "val_annotations.txt"
    lines = annotations.read_text().splitlines()
    annotations.write_text("\n".join([lines[0], "val_1.JPEG n1 0 0", *lines[2:]]))
    with pytest.raises(
        DataError, match=r"val_annotations.txt:2: no file name and known class in 'val_1.JPEG n1"
    ):
        load()
    annotations.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match="names 199 of the 200 classes"):
        load()
    annotations.write_text("\n".join(lines))
    (home / "val" / "images" / "val_5.JPEG").unlink()
    with pytest.raises(DataError, match=r"images that val_annotations.txt names are missing: .*/val_5.JPEG"):
        load()


def test_the_published_archive_is_the_one_that_all_loaders_know() -> None:
    remote = tiny_imagenet.tiny_imagenet_publication().remote
    assert remote.url == "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    assert (remote.size, remote.md5) == (248_100_043, "90528d7ca1a48142e341f4ef8d21d0de")
