"""The experiment's own images where they are on this machine, else patterns of their size; no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data import dataset_sources, download
from wmse_tui.engine.data.images import ImageSet, MemoryImages
from wmse_tui.engine.data.patterns import TRAIN_SPLIT, draw_patterns
from wmse_tui.engine.data.sources.splits import DataSplits
from wmse_tui.engine.data.sources.subsets import choose
from wmse_tui.engine.profiling import image_cache as module
from wmse_tui.engine.profiling.image_cache import PART, ImageCache, RepeatedImages

RNG = np.random.default_rng(0)


def experiment_on(**dataset: Any) -> Experiment:
    others = {"method": {"name": "simclr"}, "schedule": {"kind": "constant", "batch_size": 4}}
    return Experiment.model_validate({"dataset": {"crop": 16, **dataset}, **others})


def folder_of_classes(root: Path, count: int) -> Path:
    for name in ("cats", "dogs"):
        (root / name).mkdir(parents=True)
        for number in range(count):
            height, width = 20 + number, 30
            pixels = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the service used the network")

    monkeypatch.setattr(download, "fetch", refuse)


def test_patterns_of_an_experiment_are_those_it_would_train_on(images: ImageCache) -> None:
    loaded = images.get(experiment_on(name="patterns"), least=64)
    assert (loaded.source, loaded.why, loaded.whole, loaded.probes) == ("patterns", "", 5000, (5000, 1000))
    assert loaded.train.pixels is not None
    expected, _ = draw_patterns(len(loaded.train), split_seed=TRAIN_SPLIT, size=32)
    assert torch.equal(loaded.train.pixels, expected)
    assert loaded.numbers is None
    assert loaded.shown[:3] == (0, 1, 2)


@pytest.mark.parametrize(("name", "side"), [("cifar10", 32), ("stl10", 96), ("tiny_imagenet", 64)])
def test_patterns_of_its_size_replace_a_set_that_is_not_here(
    name: str, side: int, images: ImageCache, tmp_path: Path
) -> None:
    loaded = images.get(experiment_on(name=name), least=100)
    assert loaded.source == "patterns"
    assert f"is not in {tmp_path / 'data'}: a run fetches it" in loaded.why
    assert loaded.train.pixels is not None
    assert loaded.train.pixels.shape[1:] == (3, side, side)
    assert len(loaded.train) == 100
    assert not (tmp_path / "data").exists()


def test_photographs_that_are_not_here_are_replaced_by_single_images(
    images: ImageCache, tmp_path: Path
) -> None:
    experiment = experiment_on(name="imagenet100", root=tmp_path, crop=56, eval_resize=64)
    loaded = images.get(experiment, least=100)
    assert loaded.why.startswith("ImageNet-100 is not there: dataset.root is")
    assert loaded.train.pixels is None
    assert isinstance(loaded.train, RepeatedImages)
    assert loaded.train.image(0).size == (64, 64)
    later = loaded.train.image(5_000 + len(loaded.train.images))
    assert loaded.train.image(5_000).tobytes() == later.tobytes()
    assert loaded.train.labels is not None
    assert len(loaded.train.labels) == len(loaded.train) > 5_000
    assert loaded.whole is None
    assert loaded.probes is None


def test_an_archive_is_left_packed(images: ImageCache, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    archive = tmp_path / "data" / "cifar-10-python.tar.gz"
    archive.write_bytes(b"\x1f\x8b")
    loaded = images.get(experiment_on(name="cifar10"), least=64)
    assert loaded.why.endswith("but in its archive: a run unpacks it")
    assert list((tmp_path / "data").iterdir()) == [archive]


def test_a_damaged_set_is_replaced(images: ImageCache, tmp_path: Path) -> None:
    (tmp_path / "data" / "cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "data" / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"no pickle")
    loaded = images.get(experiment_on(name="cifar10"), least=64)
    assert loaded.source == "patterns"
    assert "is incomplete: missing: data_batch_2" in loaded.why


def test_a_folder_of_images_is_read_as_a_run_reads_it(images: ImageCache, tmp_path: Path) -> None:
    root = folder_of_classes(tmp_path / "mine", 10)
    loaded = images.get(experiment_on(name="folder", root=root), least=64)
    assert (loaded.source, loaded.why) == ("folder", "")
    assert (loaded.whole, loaded.probes) == (18, (18, 2))
    assert loaded.train.labels is not None
    first = [int(loaded.train.labels[row]) for row in loaded.shown]
    assert sorted(first[:2]) == [0, 1]  # one of each class
    assert sorted(loaded.shown) == list(range(18))


def test_the_reason_names_an_empty_folder(images: ImageCache, tmp_path: Path) -> None:
    loaded = images.get(experiment_on(name="folder", root=tmp_path), least=64)
    assert loaded.source == "patterns"
    assert loaded.why.startswith(f"no images in {tmp_path}: ")


def test_images_stay_cached_while_other_options_change(
    images: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = images.get(experiment_on(name="patterns"), least=64)
    monkeypatch.setattr(module, "load_data", None)
    other = experiment_on(name="patterns", crop=8, eval_crop=8, mean=(0.5, 0.5, 0.5))
    again = images.get(other, least=64)
    assert again.train is first.train


def test_an_absence_is_assumed_for_a_while_and_then_checked_again(
    images: ImageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = experiment_on(name="folder", root=tmp_path / "mine")
    assert images.get(experiment, least=16).source == "patterns"
    folder_of_classes(tmp_path / "mine", 10)
    assert images.get(experiment, least=16).source == "patterns"
    monkeypatch.setattr(module, "REFUSAL_SECONDS", 0.0)
    assert images.get(experiment, least=16).source == "folder"


def test_reading_ends_when_the_progress_is_refused(images: ImageCache) -> None:
    def refuse(*_progress: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        images.get(experiment_on(name="cifar10"), least=64, progress=refuse)
    assert images.get(experiment_on(name="patterns"), least=64).source == "patterns"


@pytest.mark.parametrize("trained", [None, 60_000])
@pytest.mark.parametrize("name", ["stl10", "tiny_imagenet"])
def test_of_a_large_set_a_part_is_read_with_the_numbers_of_the_whole(
    name: str,
    trained: int | None,
    images: ImageCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published = {"stl10": 105_000, "tiny_imagenet": 100_000}[name]
    labels = None if name == "stl10" else torch.arange(200).repeat_interleave(500)
    everything = torch.arange(published)

    def source(dataset: Any, _progress: Any) -> DataSplits:
        """Images whose two first pixels are their number in the whole published set."""
        chosen = choose(published, labels, dataset.train_images, option="dataset.train_images")
        numbers = everything if chosen is None else chosen
        pixels = torch.zeros(len(numbers), 3, 1, 2, dtype=torch.uint8)
        for channel in range(3):
            pixels[:, channel, 0, 0] = (numbers >> (8 * channel)) & 255
        train: ImageSet = MemoryImages(name=name, split="train", pixels=pixels)
        return DataSplits(train=train, unlabelled="a test")

    monkeypatch.setattr(dataset_sources, "SOURCES", {name: source})
    monkeypatch.setattr(module, "_require_unpacked", lambda experiment: None)
    experiment = experiment_on(name=name, train_images=trained)
    loaded = images.get(experiment, least=64)
    assert len(loaded.train) == PART
    assert loaded.whole == (trained or published)
    assert loaded.train.pixels is not None
    first, second, third = loaded.train.pixels[:, :, 0, 0].long().unbind(1)
    number = first + (second << 8) + (third << 16)
    run = choose(published, labels, trained, option="dataset.train_images")
    assert loaded.numbers is not None
    assert torch.equal(number, loaded.numbers if run is None else run[loaded.numbers])
