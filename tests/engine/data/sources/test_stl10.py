"""STL-10 from binary files as published: columns first, labels from one, an unlabelled part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import STL10

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data, load_data
from wmse_tui.engine.data.sources import stl10
from wmse_tui.engine.data.sources.splits import SourceRequest
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]
Load = Callable[..., Data]

COUNTS = {"train": 10, "unlabeled": 25, "test": 8}
IMAGES = {
    name: np.random.default_rng(seed).integers(0, 256, (count, 3, 96, 96), dtype=np.uint8)
    for seed, (name, count) in enumerate(COUNTS.items())
}


@pytest.fixture
def load(
    server: Any,
    tmp_path: Path,
    tar: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    progress: Progress,
    experiment_on: Callable[..., Experiment],
) -> Load:
    """Load a small STL-10 from the local server."""
    files = {f"{name}_X.bin": images.transpose(0, 1, 3, 2).tobytes() for name, images in IMAGES.items()}
    for name in ("train", "test"):
        files[f"{name}_y.bin"] = bytes(i % 10 + 1 for i in range(COUNTS[name]))
    md5 = {file: hashlib.md5(body).hexdigest() for file, body in files.items()}
    members = [(f"stl10_binary/{file}", body) for file, body in files.items()]
    remote, _ = server.publish("stl10_binary.tar.gz", tar(tmp_path / "made.tar.gz", *members).read_bytes())
    monkeypatch.setattr(STL10, "url", remote.url)
    monkeypatch.setattr(STL10, "tgz_md5", remote.md5)
    for listed in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, listed, [[file, md5[file]] for file, _ in getattr(STL10, listed)])
    facts = {**DATASETS, "stl10": replace(DATASETS["stl10"], archive_bytes=remote.size)}
    monkeypatch.setattr(stl10, "DATASETS", facts)
    root = tmp_path / "data"
    return lambda **options: load_data(experiment_on(name="stl10", root=root, **options), progress=progress)


def test_training_uses_all_images_and_no_label(load: Load) -> None:
    train = load().train
    assert train.labels is None
    assert train.pixels is not None
    assert train.pixels.numpy().tobytes() == np.concatenate((IMAGES["train"], IMAGES["unlabeled"])).tobytes()


def test_probes_use_the_labelled_parts(load: Load) -> None:
    data = load()
    assert data.train_split == "train+unlabeled (35)"
    assert data.probe_split == "train (10) -> test (8)"
    for images, name in ((data.probe_train, "train"), (data.probe_test, "test")):
        assert images is not None
        assert images.labels is not None
        assert images.pixels is not None
        assert images.labels.tolist() == [i % 10 for i in range(COUNTS[name])]
        assert images.pixels.numpy().tobytes() == IMAGES[name].tobytes()
        assert images.classes[0] == "airplane"


def test_the_reader_agrees_with_torchvision(load: Load, tmp_path: Path) -> None:
    data = load()
    reference = STL10(tmp_path / "data", split="train+unlabeled")
    assert data.train.pixels is not None
    assert (data.train.pixels.numpy() == reference.data).all()
    assert np.array_equal(np.asarray(data.train.image(12)), np.asarray(reference[12][0]))


def test_a_subset_is_drawn_from_both_parts_and_the_probe_stays_whole(load: Load) -> None:
    data = load(train_images=20, test_images=4)
    assert data.train_split == "train+unlabeled subset (20)"
    assert data.probe_split == "train (10) -> test subset (4)"
    everything = [image.tobytes() for image in np.concatenate((IMAGES["train"], IMAGES["unlabeled"]))]
    assert data.train.pixels is not None
    numbers = [everything.index(image.tobytes()) for image in data.train.pixels.numpy()]
    assert numbers == sorted(set(numbers))
    assert numbers[0] < 10 <= numbers[-1]


def test_a_damaged_file_is_named(load: Load, tmp_path: Path) -> None:
    load()
    images = tmp_path / "data" / "stl10_binary" / "unlabeled_X.bin"
    images.write_bytes(images.read_bytes()[:-1] + b"!")
    with pytest.raises(DataError, match=r"damaged: unlabeled_X.bin has md5 "):
        load()


def test_the_published_archive_is_torchvisions() -> None:
    remote = stl10.stl10_publication().remote
    assert remote.url == "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    assert (remote.size, remote.md5) == (2_640_397_119, "91f7769df0f17e558f3565bffb0c7dfb")


def test_the_labelled_parts_are_read_alone(load: Load, tmp_path: Path, progress: Progress) -> None:
    load()
    request = SourceRequest(name="stl10", root=tmp_path / "data")
    splits = stl10.load_labelled_stl10(request, progress)
    assert splits.train is splits.probe_train
    assert [len(images) for images in (splits.probe_train, splits.probe_test) if images] == [10, 8]
