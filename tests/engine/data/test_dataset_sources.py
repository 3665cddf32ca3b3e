"""From a configuration to images, for what every data set shares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.dataset import Dataset, DatasetName
from wmse_tui.engine.data.dataset_sources import SOURCES, _root, load_data
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]
On = Callable[..., Experiment]


def test_every_data_set_of_the_configuration_has_a_source() -> None:
    assert set(SOURCES) == set(get_args(DatasetName)) == set(DATASETS)


def test_patterns_need_no_disk_and_no_network(experiment_on: On, progress: Progress) -> None:
    data = load_data(experiment_on(name="patterns"), progress=progress)
    assert data.train_split == "train (5,000)"
    assert data.probe_split == "train (5,000) -> test (1,000)"
    assert data.train is data.probe_train
    assert data.train.pixels is not None
    assert data.probe_test is not None
    assert data.probe_test.pixels is not None
    assert data.train.pixels.shape == (5000, 3, 32, 32)
    assert not torch.equal(data.train.pixels[:1000], data.probe_test.pixels)
    assert data.train.classes == DATASETS["patterns"].class_names
    assert data.notices == ()


def test_as_many_patterns_are_drawn_as_requested(experiment_on: On) -> None:
    reports: list[tuple[str, float, float, str]] = []
    data = load_data(
        experiment_on(name="patterns", train_images=70, test_images=30),
        progress=lambda *event: reports.append(event),
    )
    assert data.probe_split == "train (70) -> test (30)"
    assert reports[-1] == ("drawing test images", 30, 30, "images")


def test_the_seed_of_the_run_changes_no_image(experiment_on: On, progress: Progress) -> None:
    first = experiment_on(name="patterns", train_images=20, test_images=10)
    second = Experiment.model_validate({**first.model_dump(), "seed": 7})
    pixels = [load_data(experiment, progress=progress).train.pixels for experiment in (first, second)]
    assert pixels[0] is not None
    assert pixels[1] is not None
    assert torch.equal(pixels[0], pixels[1])


def test_the_configured_colours_win_over_the_data_sets(experiment_on: On, progress: Progress) -> None:
    own = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    data = load_data(experiment_on(name="patterns", train_images=10, **own), progress=progress)
    assert (data.mean, data.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    data = load_data(experiment_on(name="patterns", train_images=10, std=own["std"]), progress=progress)
    assert (data.mean, data.std) == (DATASETS["patterns"].mean, (0.4, 0.5, 0.6))


def test_data_lie_in_the_data_folder_unless_a_root_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/ada")
    assert _root(Dataset(name="cifar10")) == tmp_path
    assert _root(Dataset(name="cifar10", root=Path("~/sets"))) == Path("/home/ada/sets")
    assert _root(Dataset(name="cifar10", root=Path("sets"))) == Path.cwd() / "sets"


def test_a_folder_without_a_name_is_refused(progress: Progress) -> None:
    with pytest.raises(DataError) as caught:
        _root(Dataset(name="folder"))
    assert caught.value.title == "no folder of images is named"
    assert caught.value.next == ("set it: --set dataset.root=/path/to/images",)
