"""Whether the images of an experiment are on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.presence import (
    OwnImages,
    Presence,
    count_own_images,
    find_images,
    own_images_advice,
    presence_advice,
)
from wmse_tui.config.sections.dataset import Dataset


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("WMSE_TUI_DATA", str(folder))
    return folder


def dataset(name: str, **options: object) -> Dataset:
    return load_experiment(preset="cifar10").dataset.model_copy(update={"name": name, **options})


def test_patterns_are_generated(data: Path) -> None:
    assert find_images(dataset("patterns")) == Presence("drawn")


def test_a_published_set_is_here_or_packed_or_to_be_downloaded_or_missing(data: Path) -> None:
    place = data / "cifar-10-batches-py"
    assert find_images(dataset("cifar10")) == Presence("download", place, download=170_498_071)
    assert find_images(dataset("cifar10", download=False)) == Presence("missing", place, (place,))
    (data / "cifar-10-python.tar.gz").touch()
    assert find_images(dataset("cifar10", download=False)).state == "archive"
    place.mkdir()
    assert find_images(dataset("cifar10")) == Presence("here", place)
    assert find_images(dataset("cifar10", root=place)) == Presence("here", place)


def test_own_images_are_expected_in_the_configured_folder(data: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    assert find_images(dataset("folder", root=images)) == Presence("missing", images, (images,))
    images.mkdir()
    assert find_images(dataset("folder", root=images)).state == "here"
    assert find_images(dataset("imagenet", root=images)).lacking == (images / "train",)
    (images / "train").mkdir()
    assert find_images(dataset("imagenet100", root=images)).state == "here"
    assert find_images(dataset("imagenet100")).lacking == (data / "imagenet100" / "train",)


def test_the_folders_of_the_probes_count(data: Path, tmp_path: Path) -> None:
    found = find_images(dataset("patterns", probe_train=tmp_path, probe_test=tmp_path / "no"))
    assert found == Presence("missing", None, (tmp_path / "no",))
    (advice,) = presence_advice(dataset("patterns"), found)
    assert (advice.path, advice.level) == ("dataset.probe_train", "warning")
    assert advice.text == f"no such folder: {tmp_path / 'no'}; the run would fail"


def test_missing_images_are_a_warning(data: Path) -> None:
    wanted = dataset("cifar10", download=False)
    (advice,) = presence_advice(wanted, find_images(wanted))
    assert advice.path == "dataset.root"
    assert advice.text == (
        f"CIFAR-10 is not on this machine ({data / 'cifar-10-batches-py'}), and dataset.download is false; "
        "the run would fail"
    )
    wanted = dataset("imagenet", root=data / "no")
    (advice,) = presence_advice(wanted, find_images(wanted))
    assert advice.text == f"no such folder: {data / 'no' / 'train'}; the run would fail"


def test_available_images_have_no_advice(data: Path) -> None:
    for name in ("patterns", "cifar10", "stl10"):
        assert not presence_advice(dataset(name), find_images(dataset(name)))


def test_a_folder_that_cannot_be_read_counts_as_missing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    published, own = dataset("cifar10", download=False), dataset("folder", root=data)
    monkeypatch.setattr(Path, "is_dir", refuse)
    monkeypatch.setattr(Path, "is_file", refuse)
    assert find_images(published).state == "missing"
    assert find_images(own).state == "missing"


def own_images(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("a.png", "b.JPG", "notes.txt"), OwnImages(2, 0)),
        (("cat/1.png", "dog/2.png", "dog/deep/3.png", ".hidden/4.png"), OwnImages(3, 2)),
        (("Train/cat/1.png", "test/cat/2.png"), OwnImages(1, 1)),
        ((), OwnImages(0, 0)),
    ],
)
def test_the_images_to_train_on_are_counted(tmp_path: Path, names: tuple[str, ...], found: OwnImages) -> None:
    assert count_own_images(dataset("folder", root=own_images(tmp_path, *names))) == found


def test_counting_ends_in_time_and_is_only_for_a_users_own_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    assert count_own_images(dataset("folder", root=tmp_path), seconds=0) is None
    assert count_own_images(dataset("folder", root=tmp_path / "none")) is None
    assert count_own_images(dataset("cifar10")) is None


def test_too_few_images_for_a_batch_are_a_warning_with_a_batch_that_fits(tmp_path: Path) -> None:
    own = ["dataset.name=folder", f"dataset.root={tmp_path}", "dataset.train_images=null"]
    overrides = [*own, "schedule.warmup_steps=5"]
    experiment = load_experiment(preset="quickstart", overrides=overrides)  # slices of 64 in a batch of 256
    (found,) = own_images_advice(experiment, OwnImages(200, 4))
    assert (found.path, found.level) == ("schedule.batch_size", "warning")
    assert "the folder has 200 images to train on" in found.text
    assert found.fix == (("schedule.batch_size", "192"),)
    fixed = load_experiment(preset="quickstart", overrides=[*overrides, "schedule.batch_size=192"])
    assert not own_images_advice(fixed, OwnImages(200, 4))
    assert own_images_advice(experiment, OwnImages(40, 4))[0].fix == ()
    assert own_images_advice(experiment, OwnImages(0, 0))[0].path == "dataset.root"
    assert not own_images_advice(experiment, None)


def test_more_images_than_there_are_are_a_warning_that_takes_all(tmp_path: Path) -> None:
    overrides = ["dataset.name=folder", f"dataset.root={tmp_path}"]
    experiment = load_experiment(preset="quickstart", overrides=overrides)  # trains on 5,000 images
    (found,) = own_images_advice(experiment, OwnImages(4_999, 3))
    assert (found.path, found.level) == ("dataset.train_images", "warning")
    assert found.text == "the folder has 4,999 images to train on, not 5,000; the run would fail"
    assert found.fix == (("dataset.train_images", ""),)
    assert not own_images_advice(experiment, OwnImages(5_000, 3))


def test_a_warm_up_longer_than_a_run_on_the_users_images_is_a_warning(tmp_path: Path) -> None:
    overrides = ["dataset.name=folder", f"dataset.root={tmp_path}", "dataset.train_images=null"]
    experiment = load_experiment(preset="quickstart", overrides=[*overrides, "schedule.epochs=2"])
    (found,) = own_images_advice(experiment, OwnImages(1_100, 3))
    assert (found.path, found.level) == ("schedule.warmup_steps", "warning")
    assert found.text.startswith("the run ends after 8 steps, inside its warm-up of ")
    assert not own_images_advice(experiment, OwnImages(50_000, 3))
