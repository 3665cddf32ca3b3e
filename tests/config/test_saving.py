"""A draft as a preset of the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.bases import file_base, preset_base
from wmse_tui.config.draft import Draft
from wmse_tui.config.load import load_experiment
from wmse_tui.config.presets import find_preset
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.saving import name_fault, preset_file, preset_text, save_preset


def test_only_what_differs_is_written(own_presets: Path) -> None:
    draft = Draft(preset_base("stl10")).with_value("optimizer.lr", 0.001).with_value("schedule.epochs", 100)
    file = save_preset(draft, "mine")
    assert file == own_presets / "mine.yaml"
    assert file.read_text() == "extends: stl10\noptimizer:\n  lr: 0.001\nschedule:\n  epochs: 100\n"
    assert find_preset("mine").experiment == draft.experiment
    assert find_preset("mine").origin == "user"
    assert [path.name for path in own_presets.iterdir()] == ["mine.yaml"]


def test_the_folder_is_made(own_presets: Path) -> None:
    own_presets.rmdir()
    save_preset(Draft(preset_base("stl10")), "same")
    assert (own_presets / "same.yaml").read_text() == "extends: stl10\n"


def test_a_preset_that_is_saved_again_goes_on_extending_what_it_extended(own_presets: Path) -> None:
    save_preset(Draft(preset_base("stl10")).with_value("seed", 3), "mine")
    again = Draft(preset_base("mine")).with_value("optimizer.lr", 0.5)
    save_preset(again, "mine")
    assert preset_file("mine").read_text() == "extends: stl10\nseed: 3\noptimizer:\n  lr: 0.5\n"
    assert find_preset("mine").experiment == again.experiment


def test_a_preset_never_extends_itself_in_a_circle(own_presets: Path) -> None:
    save_preset(Draft(preset_base("stl10")).with_value("seed", 3), "lower")
    save_preset(Draft(preset_base("lower")).with_value("projector.layers", 3), "upper")
    draft = Draft(preset_base("upper")).with_value("optimizer.lr", 0.5)
    save_preset(draft, "lower")
    assert find_preset("lower").experiment == draft.experiment
    assert find_preset("lower").extends == "stl10"


def test_a_preset_of_a_file_extends_what_the_file_extends(own_presets: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("extends: cifar100\nseed: 5\n")
    save_preset(Draft(file_base(file)), "from-file")
    assert preset_file("from-file").read_text() == "extends: cifar100\nseed: 5\n"
    file.write_text("schedule: {epochs: 300}\n")
    save_preset(Draft(file_base(file)), "from-defaults")
    assert preset_file("from-defaults").read_text() == "schedule:\n  epochs: 300\n"


def test_a_cleared_option_stays_cleared(own_presets: Path) -> None:
    draft = Draft(preset_base("stl10")).with_value("dataset.eval_resize", None)
    save_preset(draft, "mine")
    assert find_preset("mine").experiment == draft.experiment
    without = Draft(preset_base("quickstart")).with_value("title", "")
    assert find_preset(save_preset(without, "untitled").stem).title == ""


def test_another_method_is_written_with_its_own_options(own_presets: Path) -> None:
    draft = (
        Draft(preset_base("cifar10"))
        .with_value("method.whitening_size", 256)
        .with_value("method.name", "simclr")
        .with_value("method.temperature", 0.2)
    )
    save_preset(draft, "mine")
    text = "extends: cifar10\nmethod:\n  name: simclr\n  temperature: 0.2\n"
    assert preset_file("mine").read_text() == text
    assert find_preset("mine").experiment == load_experiment(
        preset="cifar10", overrides=["method.name=simclr", "method.temperature=0.2"]
    )


def test_what_is_wrong_is_not_saved(own_presets: Path) -> None:
    with pytest.raises(ConfigError, match="expected a whole number"):
        save_preset(Draft(preset_base("stl10")).with_value("seed", "x"), "mine")
    assert not list(own_presets.iterdir())


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "-x", "x" * 65, "ä", "stl10", "quickstart"])
def test_some_names_are_refused(name: str, own_presets: Path) -> None:
    assert name_fault(name)
    with pytest.raises(ConfigError, match="cannot be the name of a preset"):
        save_preset(Draft(preset_base("stl10")), name)
    assert not list(own_presets.iterdir())


@pytest.mark.parametrize("name", ["a", "7", "my.preset_2-b", "last"])
def test_other_names_are_not(name: str, own_presets: Path) -> None:
    assert name_fault(name) == ""


def test_a_folder_that_cannot_be_made_is_told(own_presets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_presets / "file").write_text("")
    monkeypatch.setenv("WMSE_TUI_PRESETS", str(own_presets / "file"))
    with pytest.raises(ConfigError, match="cannot be written"):
        save_preset(Draft(preset_base("stl10")), "mine")


def test_a_parent_that_cannot_stand_alone_is_no_hindrance(own_presets: Path) -> None:
    (own_presets / "half.yaml").write_text("extends: stl10\nprojector: {dim: 300}\n")
    (own_presets / "whole.yaml").write_text("extends: half\nmethod: {whitening_size: 512}\n")
    draft = Draft(preset_base("whole")).with_value("seed", 9)
    save_preset(draft, "whole")
    assert preset_text(draft, preset_file("whole")).startswith("extends: half\n")
    assert find_preset("whole").experiment == draft.experiment
