"""Presets, files and copies, each with its draft; going away loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.draft import Draft
from wmse_tui.config.loading import load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.tui.widgets.configure.preset_library import (
    PresetLibrary,
    copy_entry,
    file_entry,
    heading_of,
    names,
    read_entry,
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder of the user's presets."""
    folder = tmp_path / "presets"
    folder.mkdir()
    return folder


def changed(library: PresetLibrary) -> dict[str, object]:
    assert library.draft is not None
    return dict(library.draft.active)


def test_quickstart_comes_first() -> None:
    assert names()[0] == "quickstart"
    assert list(names()[1:]) == sorted(names()[1:])
    assert PresetLibrary().key == "quickstart"


def test_presets_are_grouped_by_data_set_and_the_users_are_apart(own: Path) -> None:
    (own / "mine.yaml").write_text("extends: stl10\n")
    (own / "cifar10.yaml").write_text("extends: cifar10\nseed: 3\n")
    library = PresetLibrary()
    assert list(library.groups)[:3] == ["Start here", "Yours", "CIFAR-10"]
    assert library.groups["Start here"] == ("quickstart",)
    assert library.groups["Yours"] == ("cifar10", "mine")
    assert "Opened" not in library.groups
    assert sorted(library.keys) == sorted(names())


@pytest.mark.parametrize("name", names()[1:])
def test_the_name_of_a_preset_begins_with_its_data_set(name: str) -> None:
    experiment = read_entry(name).experiment
    assert experiment is not None
    assert heading_of(name, frozenset()) == DATASETS[experiment.dataset.name].title


def test_each_preset_keeps_its_changes() -> None:
    library = PresetLibrary()
    library.choose("stl10")
    library.edit("seed", "7")
    library.choose("cifar10")
    assert changed(library) == {}
    library.edit("optimizer.lr", "x")
    library.choose("stl10")
    assert changed(library) == {"seed": 7}
    assert library.changes() == {"stl10": 1, "cifar10": 1}
    assert library.reset("seed")
    assert not library.reset("seed"), "there is nothing left to take back"
    library.choose("cifar10")
    library.reset_all()
    assert library.changes() == {}


def test_an_option_that_is_not_there_is_not_edited() -> None:
    library = PresetLibrary()
    library.choose("cifar10")
    library.edit("method.temperature", "1")
    assert changed(library) == {}


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
    library = PresetLibrary()
    library.choose("bad")
    assert library.draft is None
    library.edit("seed", "1")
    library.reset_all()
    assert not library.reset("seed")


def test_words_find_presets_by_name_and_by_what_they_are() -> None:
    found = {name for name in names() if read_entry(name).matches("BYOL cifar100")}
    assert found == {"cifar100-byol"}
    assert read_entry("stl10").matches("resnet18 w_mse")
    assert not read_entry("stl10").matches("stl10 simclr")


def test_a_file_comes_before_the_presets_and_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: stl10\nseed: 3\n")
    library = PresetLibrary()
    library.add(file_entry(file))
    library.choose(library.extra[0])
    assert library.keys[0] == f"file:{file}"
    library.edit("optimizer.lr", "0.5")
    file.write_text("extends: stl10\nseed: 4\n")
    library.add(file_entry(file))
    assert library.keys.count(f"file:{file}") == 1
    assert library.draft is not None
    assert library.draft.values["seed"] == 4
    assert changed(library) == {"optimizer.lr": 0.5}
    with pytest.raises(ConfigError):
        file_entry(tmp_path / "none.yaml")


def test_a_copy_of_a_run_shows_what_it_changed_in_its_preset() -> None:
    wanted = load_experiment(preset="stl10", overrides=["optimizer.lr=0.5", "seed=3"])
    entry = copy_entry(wanted, "stl10")
    assert entry.draft is not None
    assert dict(entry.draft.active) == {"optimizer.lr": 0.5, "seed": 3}
    assert entry.label == "stl10 (copy)"


def test_a_copy_replaces_no_copy_that_was_changed() -> None:
    library = PresetLibrary()
    entry = copy_entry(load_experiment(preset="stl10"), "stl10")
    library.add_copy(entry)
    library.add_copy(entry)
    assert library.extra == ("copy:stl10",), "nothing was typed in the first one"
    library.edit("seed", "9")
    library.add_copy(entry)
    assert changed(library) == {}
    library.edit("seed", "5")
    assert [library.entries[key].label for key in library.extra] == ["stl10 (copy 2)", "stl10 (copy)"]
    again = PresetLibrary()
    assert again.restore(library.drafts, library.key) == ()
    assert again.entries["copy:stl10:2"].label == "stl10 (copy 2)"
    assert {key: dict(draft) for key, draft in again.drafts.items()} == {
        "copy:stl10": {"seed": 9},
        "copy:stl10:2": {"seed": 5},
    }


@pytest.mark.parametrize("preset", ["", "gone"])
def test_a_copy_without_a_preset_builds_on_the_one_most_like_it(preset: str) -> None:
    wanted = load_experiment(preset="tiny_imagenet-byol", overrides=["seed=3"])
    entry = copy_entry(wanted, preset)
    assert entry.draft is not None
    assert entry.draft.base.name == "tiny_imagenet-byol"
    assert entry.draft.experiment == wanted


def test_a_saved_preset_is_read_again_without_its_changes(own: Path) -> None:
    library = PresetLibrary()
    (own / "mine.yaml").write_text("extends: stl10\nseed: 5\n")
    library.reload("mine")
    library.choose("mine")
    library.edit("seed", "9")
    (own / "mine.yaml").write_text("extends: stl10\nseed: 9\n")
    library.reload("mine")
    assert isinstance(library.draft, Draft)
    assert changed(library) == {}
    assert library.draft.values["seed"] == 9


def test_the_current_drafts_are_those_of_the_entries_with_their_changes() -> None:
    library = PresetLibrary()
    library.add_copy(copy_entry(load_experiment(preset="stl10", overrides=["seed=5"]), "stl10"))
    for key, seed, after in (("stl10", "9", {}), ("copy:stl10", "7", {"seed": 5})):
        entry = library.choose(key)
        assert library.current_drafts()[key] is entry.draft
        library.edit("seed", seed)
        assert dict(library.current_drafts()[key].changes) == {"seed": int(seed)}
        library.undo()
        assert dict(library.current_drafts()[key].changes) == after
    library.reset_all()
    assert dict(library.current_drafts()["copy:stl10"].changes) == {}
