"""Presets, files and copies, each with its draft; going away loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.draft import Draft
from wmse_tui.config.loading import load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.tui.widgets.configure.preset_library import (
    PresetLibrary,
    copy_entry,
    file_entry,
    names,
    read_entry,
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder of the user's presets."""
    folder = tmp_path / "presets"
    folder.mkdir()
    return folder


def changed(bench: PresetLibrary) -> dict[str, object]:
    assert bench.draft is not None
    return dict(bench.draft.active)


def test_quickstart_comes_first() -> None:
    assert names()[0] == "quickstart"
    assert list(names()[1:]) == sorted(names()[1:])
    assert PresetLibrary().key == "quickstart"


def test_each_preset_keeps_its_changes() -> None:
    bench = PresetLibrary()
    bench.choose("stl10")
    bench.edit("seed", "7")
    bench.choose("cifar10")
    assert changed(bench) == {}
    bench.edit("optimizer.lr", "x")
    bench.choose("stl10")
    assert changed(bench) == {"seed": 7}
    assert bench.changes() == {"stl10": 1, "cifar10": 1}
    assert bench.reset("seed")
    assert not bench.reset("seed"), "there is nothing left to take back"
    bench.choose("cifar10")
    bench.reset_all()
    assert bench.changes() == {}


def test_an_option_that_is_not_there_is_not_edited() -> None:
    bench = PresetLibrary()
    bench.choose("cifar10")
    bench.edit("method.temperature", "1")
    assert changed(bench) == {}


def test_an_own_preset_is_marked_and_may_hide_a_shipped_one(own: Path) -> None:
    (own / "mine.yaml").write_text("extends: stl10\n")
    (own / "cifar10.yaml").write_text("extends: cifar10\nseed: 3\n")
    assert read_entry("mine").kind == "user"
    assert not read_entry("mine").hides
    assert read_entry("cifar10").hides
    assert read_entry("stl10").kind == "shipped"


def test_a_broken_preset_is_an_entry_too(own: Path) -> None:
    (own / "bad.yaml").write_text("seed: x\nmethod: {name: nope}\n")
    entry = read_entry("bad")
    assert entry.draft is None
    assert "expected a whole number" in entry.problem
    assert "(and 1 more)" in entry.problem
    bench = PresetLibrary()
    bench.choose("bad")
    assert bench.draft is None
    bench.edit("seed", "1")
    bench.reset_all()
    assert not bench.reset("seed")


def test_words_find_presets_by_name_and_by_what_they_are() -> None:
    found = {name for name in names() if read_entry(name).matches("BYOL cifar100")}
    assert found == {"cifar100-byol"}
    assert read_entry("stl10").matches("resnet18 w_mse")
    assert not read_entry("stl10").matches("stl10 simclr")


def test_a_file_comes_before_the_presets_and_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: stl10\nseed: 3\n")
    bench = PresetLibrary()
    bench.take_in(file_entry(file))
    bench.choose(bench.extra[0])
    assert bench.keys[0] == f"file:{file}"
    bench.edit("optimizer.lr", "0.5")
    file.write_text("extends: stl10\nseed: 4\n")
    bench.take_in(file_entry(file))
    assert bench.keys.count(f"file:{file}") == 1
    assert bench.draft is not None
    assert bench.draft.values["seed"] == 4
    assert changed(bench) == {"optimizer.lr": 0.5}
    with pytest.raises(ConfigError):
        file_entry(tmp_path / "none.yaml")


def test_a_copy_of_a_run_shows_what_it_changed_in_its_preset() -> None:
    wanted = load_experiment(preset="stl10", overrides=["optimizer.lr=0.5", "seed=3"])
    entry = copy_entry(wanted, "stl10")
    assert entry.draft is not None
    assert dict(entry.draft.active) == {"optimizer.lr": 0.5, "seed": 3}
    assert entry.label == "stl10 (copy)"


@pytest.mark.parametrize("preset", ["", "gone"])
def test_a_copy_without_a_preset_builds_on_the_one_most_like_it(preset: str) -> None:
    wanted = load_experiment(preset="tiny_imagenet-byol", overrides=["seed=3"])
    entry = copy_entry(wanted, preset)
    assert entry.draft is not None
    assert entry.draft.base.name == "tiny_imagenet-byol"
    assert entry.draft.experiment == wanted


def test_a_saved_preset_is_read_again_without_its_changes(own: Path) -> None:
    bench = PresetLibrary()
    (own / "mine.yaml").write_text("extends: stl10\nseed: 5\n")
    bench.read_again("mine")
    bench.choose("mine")
    bench.edit("seed", "9")
    (own / "mine.yaml").write_text("extends: stl10\nseed: 9\n")
    bench.read_again("mine")
    assert isinstance(bench.draft, Draft)
    assert changed(bench) == {}
    assert bench.draft.values["seed"] == 9
