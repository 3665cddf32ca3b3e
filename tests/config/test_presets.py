"""Where presets are found, how they extend each other, and whose wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.presets import find_preset, preset_layers, preset_names, shipped_presets_dir
from wmse_tui.config.problems import ConfigError


def complaint(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        find_preset(name)
    return str(caught.value)


def test_in_a_checkout_the_presets_lie_beside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "wmse_tui"
    package.mkdir()
    (tmp_path / "presets").mkdir()
    assert shipped_presets_dir(package) == tmp_path / "presets"


def test_in_a_wheel_the_presets_lie_inside_the_package_and_no_other_folder_is_taken(tmp_path: Path) -> None:
    package = tmp_path / "wmse_tui"
    (package / "presets").mkdir(parents=True)
    (tmp_path / "presets").mkdir()  # of somebody else
    assert shipped_presets_dir(package) == package / "presets"


def test_a_damaged_installation_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the shipped presets are missing: .*; install wmse-tui again"):
        shipped_presets_dir(tmp_path / "wmse_tui")


def test_the_wheel_is_told_to_carry_them() -> None:
    root = shipped_presets_dir().parent
    assert 'presets = "wmse_tui/presets"' in (root / "pyproject.toml").read_text()


def test_a_shipped_preset_says_where_it_comes_from() -> None:
    preset = find_preset("stl10-wmse4")
    assert (preset.name, preset.extends, preset.origin, preset.shadows) == (
        "stl10-wmse4",
        "stl10",
        "shipped",
        False,
    )
    assert preset.path == shipped_presets_dir() / "stl10-wmse4.yaml"
    assert preset.title == preset.experiment.title == "W-MSE 4 on STL-10, ResNet-18"


def test_the_layers_of_a_preset_begin_with_what_it_extends() -> None:
    assert [layer.source for layer in preset_layers("stl10-wmse4")] == [
        "cifar10.yaml",
        "stl10.yaml",
        "stl10-wmse4.yaml",
    ]


def test_the_users_presets_are_listed_with_the_shipped_ones(own_presets: Path) -> None:
    shipped = preset_names()
    (own_presets / "mine.yaml").write_text("extends: cifar10\nseed: 3\n")
    (own_presets / "notes.txt").write_text("no preset")
    (own_presets / ".hidden.yaml").write_text("no preset")
    assert preset_names() == tuple(sorted([*shipped, "mine"]))
    preset = find_preset("mine")
    assert (preset.origin, preset.shadows, preset.extends) == ("user", False, "cifar10")
    assert preset.experiment.seed == 3


def test_the_users_presets_are_found_in_the_xdg_config_folder(bare_machine: Path) -> None:
    folder = bare_machine / ".config" / "wmse-tui" / "presets"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("seed: 3\n")
    assert find_preset("mine").path == folder / "mine.yaml"


def test_a_preset_of_the_user_is_taken_in_the_stead_of_a_shipped_one_and_may_extend_it(
    own_presets: Path,
) -> None:
    (own_presets / "stl10.yaml").write_text("extends: stl10\nseed: 3\n")
    preset = find_preset("stl10")
    assert (preset.origin, preset.shadows) == ("user", True)
    assert preset.experiment.seed == 3
    assert preset.experiment.dataset.name == "stl10"
    assert preset_names().count("stl10") == 1
    assert find_preset("stl10-wmse4").experiment.seed == 3


def test_an_unknown_preset_is_told_with_the_nearest_name_and_how_to_list() -> None:
    assert (
        complaint("slt10") == "there is no preset 'slt10'; did you mean stl10? `wmse-tui presets` lists them"
    )
    assert complaint("qqqqq") == "there is no preset 'qqqqq'; `wmse-tui presets` lists them"


@pytest.mark.parametrize("name", ["../pyproject", "/etc/passwd", "stl10.yaml", "", ".", "a\0b"])
def test_a_name_never_leads_out_of_the_folder(name: str) -> None:
    assert "there is no preset" in complaint(name)


def test_a_circle_is_refused_with_its_links(own_presets: Path) -> None:
    (own_presets / "a.yaml").write_text("extends: b\n")
    (own_presets / "b.yaml").write_text("seed: 1\nextends: a\n")
    assert complaint("a") == (
        f"{own_presets}/b.yaml:2: extends: a -> b -> a goes in a circle; let one of them extend nothing"
    )
    (own_presets / "own.yaml").write_text("extends: own\n")
    assert "extends: own -> own goes in a circle" in complaint("own")


def test_extending_an_unknown_preset_is_told_with_its_line(own_presets: Path) -> None:
    (own_presets / "a.yaml").write_text("\nextends: cifar\n")
    assert complaint("a") == (
        f"{own_presets}/a.yaml:2: extends: there is no preset 'cifar'; did you mean cifar10? "
        "`wmse-tui presets` lists them"
    )


def test_a_broken_preset_of_the_user_breaks_no_other(own_presets: Path) -> None:
    (own_presets / "a.yaml").write_text("a: [")
    assert "a" in preset_names()
    assert "not YAML" in complaint("a")
    assert find_preset("stl10").name == "stl10"
