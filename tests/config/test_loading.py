"""Loading from presets, files and overrides, and writing an experiment down."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wmse_tui.config.loading import (
    dump_experiment,
    find_preset,
    load_experiment,
    override_layers,
    parse_experiment,
    preset_names,
    shipped_presets_dir,
)
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment


def errors(overrides: list[str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_experiment(overrides=overrides)
    return str(caught.value)


def test_overrides_apply_to_a_preset_in_their_order() -> None:
    experiment = load_experiment(preset="cifar10", overrides=["seed=3", "optimizer.lr=1e-2", "seed=4"])
    assert (experiment.seed, experiment.optimizer.lr) == (4, 0.01)


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("optimizer.lr=1e-3", "optimizer.lr", 1e-3),
        ("schedule.milestones=[5, 2]", "schedule.milestones", (5, 2)),
        ("schedule.milestones=[]", "schedule.milestones", ()),
        ("optimizer={name: sgd, lr: 0.5}", "optimizer.lr", 0.5),
        ("projector.batch_norm=false", "projector.batch_norm", False),
        ("title=W-MSE: a test #1", "title", "W-MSE: a test #1"),
        ("title=1e-3", "title", "1e-3"),
        ('title="quoted"', "title", "quoted"),
        ("title=", "title", ""),
        ("title=a=b", "title", "a=b"),
        ("dataset.root=/data/1", "dataset.root", Path("/data/1")),
        ("dataset.root=null", "dataset.root", None),
        (" optimizer.lr =2e-3", "optimizer.lr", 2e-3),
    ],
)
def test_an_override_is_yaml_unless_the_option_is_text(override: str, path: str, value: object) -> None:
    found: object = load_experiment(overrides=[override])
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_null_restores_the_default_of_an_option() -> None:
    experiment = load_experiment(
        preset="stl10", overrides=["dataset.eval_resize=null", "dataset.eval_crop=~"]
    )
    assert (experiment.dataset.eval_resize, experiment.dataset.eval_crop) == (None, None)


@pytest.mark.parametrize("override", ["optimizer.lr=", "dataset.root=", "seed= "])
def test_an_empty_value_is_refused_and_does_not_mean_the_default(override: str) -> None:
    flag = f"--set {override.partition('=')[0]}"
    assert errors([override]) == f"{flag}: expected a value after `=`, got none; null restores the default"


def test_problems_of_overrides_name_their_flag() -> None:
    overrides = ["optimizer.lr=fast", "optimiser.lr=1", "seed.x=1", "optimizer.lr.x=3"]
    assert errors(overrides[:1]) == "--set optimizer.lr: expected a number, got 'fast'"
    assert errors(overrides[1:2]) == "--set optimiser.lr: optimiser: unknown key; did you mean optimizer?"
    assert errors(overrides[2:3]) == "--set seed.x: seed: expected a whole number, got {'x': 1}"
    assert errors(overrides[3:]) == "--set optimizer.lr.x: optimizer.lr: expected a number, got {'x': 3}"


@pytest.mark.parametrize("override", ["seed", "=3", "optimizer.=3", ".lr=3", "", "a..b=1"])
def test_an_override_that_is_not_key_value_is_refused(override: str) -> None:
    assert errors([override]) == f"--set: expected key=value (optimizer.lr=1e-3), got {override!r}"


def test_all_malformed_overrides_are_reported_at_once() -> None:
    assert errors(["seed", "seed=[1", "seed=&a 1"]).splitlines() == [
        "--set: expected key=value (optimizer.lr=1e-3), got 'seed'",
        "--set seed:1: not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'",
        "--set seed:1: anchors and aliases (& and *) are not allowed; write the value out",
    ]


def test_override_layers_are_one_each() -> None:
    assert [layer.values for layer in override_layers(["a.b=1", "c=x"])] == [{"a": {"b": 1}}, {"c": "x"}]


def test_problems_of_a_preset_name_file_and_line(own_presets: Path) -> None:
    (own_presets / "stl10.yaml").write_text("extends: stl10\n\nmethod:\n  whitening_size: 128\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(preset="stl10")
    assert str(caught.value) == (
        f"{own_presets}/stl10.yaml:4: method.whitening_size: 128 images cannot whiten 128 dimensions; "
        "use more than 128; the paper uses 256"
    )


def test_problems_of_a_shipped_preset_name_it_even_when_another_extends_it() -> None:
    with pytest.raises(
        ConfigError, match=r"^stl10\.yaml:\d+: method\.whitening_size: 256 images cannot whiten 256"
    ):
        load_experiment(preset="stl10-wmse4", overrides=["projector.dim=256"])


def test_a_file_may_extend_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: stl10-wmse4\nseed: 7\n")
    expected = load_experiment(preset="stl10-wmse4").model_copy(update={"seed": 7})
    assert load_experiment(file=file) == expected
    file.write_text("seed: 7\n")
    assert load_experiment(file=file, preset="stl10-wmse4") == expected


def test_a_file_that_extends_one_preset_cannot_have_another_as_its_base(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 1\nextends: stl10\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(file=file, preset="cifar10")
    assert str(caught.value) == (
        f"{file}:2: extends: the file extends stl10 already, so the preset cifar10 cannot be its base too; "
        "give one of them"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "extends: slt10\n",
            ":1: extends: there is no preset 'slt10'; did you mean stl10? `wmse-tui presets` lists them",
        ),
        ("extends: [a]\n", ":1: extends: expected the name of a preset, got ['a']"),
        (b"seed: 1\ntitle: \xff\n", ":2: is not UTF-8 text (byte 15)"),
        (b"#" * 70_000, ": 65537 bytes are more than a configuration can have (65536)"),
        ("seed: 1\nsead: 1\n", ":2: sead: unknown key; did you mean seed?"),
    ],
)
def test_problems_of_a_file_name_its_path(tmp_path: Path, content: str | bytes, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        load_experiment(file=file)
    assert str(caught.value) == f"{file}{message}"


def test_a_file_that_cannot_be_read_is_reported_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file or directory"):
        load_experiment(file=tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: a folder, not a regular file"):
        load_experiment(file=tmp_path)


def test_relative_folders_start_beside_the_file_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    file = tmp_path / "there" / "mine.yaml"
    file.write_text("dataset: {name: folder, root: images, probe_train: ~/a, probe_test: /b}\n")
    monkeypatch.chdir(tmp_path / "here")
    dataset = load_experiment(file=file).dataset
    assert dataset.root == tmp_path / "there" / "images"
    assert dataset.probe_train == Path(os.environ["HOME"]) / "a"
    assert dataset.probe_test == Path("/b")
    monkeypatch.chdir(tmp_path / "there")
    assert load_experiment(file=Path("mine.yaml")).dataset.root == tmp_path / "there" / "images"


def test_relative_folders_in_overrides_start_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = load_experiment(overrides=["dataset.name=folder", "dataset.root=images"])
    assert experiment.dataset.root == tmp_path / "images"


def test_every_preset_survives_being_written_and_read() -> None:
    lost = []
    for name in preset_names():
        experiment = load_experiment(preset=name, overrides=["seed=12345", "title=a: b # c"])
        text = dump_experiment(experiment)
        again = parse_experiment(text, "config.yaml")
        if again != experiment or dump_experiment(again) != text:
            lost.append(name)
    assert not lost, "\n".join(lost)


def test_a_written_experiment_is_complete_and_in_the_order_of_the_schema() -> None:
    lines = dump_experiment(Experiment()).splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == list(
        Experiment.model_fields
    )
    assert "  eval_resize: null" in lines
    assert "  milestones: [50, 25]" in lines
    assert "  weight_decay: 1.0e-06" in lines


def test_folders_survive_being_written(tmp_path: Path) -> None:
    experiment = load_experiment(overrides=["dataset.name=folder", f"dataset.root={tmp_path}/a: b"])
    assert parse_experiment(dump_experiment(experiment), "x").dataset.root == tmp_path / "a: b"


# Presets: where they are found, how they extend each other, and which one wins


def preset_error(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        find_preset(name)
    return str(caught.value)


def test_in_a_checkout_the_presets_are_beside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "wmse_tui"
    package.mkdir()
    (tmp_path / "presets").mkdir()
    assert shipped_presets_dir(package) == tmp_path / "presets"


def test_in_a_wheel_the_presets_are_inside_the_package_and_no_other_folder_is_used(tmp_path: Path) -> None:
    package = tmp_path / "wmse_tui"
    (package / "presets").mkdir(parents=True)
    (tmp_path / "presets").mkdir()  # of another project
    assert shipped_presets_dir(package) == package / "presets"


def test_a_damaged_installation_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the shipped presets are missing: .*; install wmse-tui again"):
        shipped_presets_dir(tmp_path / "wmse_tui")


def test_the_build_puts_the_presets_into_the_wheel() -> None:
    root = shipped_presets_dir().parent
    assert 'presets = "wmse_tui/presets"' in (root / "pyproject.toml").read_text()


def test_a_shipped_preset_has_its_origin_and_what_it_extends() -> None:
    preset = find_preset("stl10-wmse4")
    assert (preset.name, preset.extends, preset.origin) == ("stl10-wmse4", "stl10", "shipped")
    assert preset.file == shipped_presets_dir() / "stl10-wmse4.yaml"
    assert preset.experiment.title == "W-MSE 4 on STL-10, ResNet-18"


def test_the_layers_of_a_preset_begin_with_what_it_extends() -> None:
    assert [layer.source for layer in find_preset("stl10-wmse4").layers] == [
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
    assert (preset.origin, preset.extends) == ("user", "cifar10")
    assert preset.experiment.seed == 3


def test_the_users_presets_are_found_in_the_xdg_config_folder(bare_machine: Path) -> None:
    folder = bare_machine / ".config" / "wmse-tui" / "presets"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("seed: 3\n")
    assert find_preset("mine").file == folder / "mine.yaml"


def test_a_preset_of_the_user_hides_a_shipped_one_and_may_extend_it(
    own_presets: Path,
) -> None:
    (own_presets / "stl10.yaml").write_text("extends: stl10\nseed: 3\n")
    preset = find_preset("stl10")
    assert preset.origin == "user"
    assert preset.experiment.seed == 3
    assert preset.experiment.dataset.name == "stl10"
    assert preset_names().count("stl10") == 1
    assert find_preset("stl10-wmse4").experiment.seed == 3


def test_an_unknown_preset_is_reported_with_the_nearest_name_and_how_to_list() -> None:
    assert (
        preset_error("slt10")
        == "there is no preset 'slt10'; did you mean stl10? `wmse-tui presets` lists them"
    )
    assert preset_error("qqqqq") == "there is no preset 'qqqqq'; `wmse-tui presets` lists them"


@pytest.mark.parametrize("name", ["../pyproject", "/etc/passwd", "stl10.yaml", "", ".", "a\0b"])
def test_a_name_never_leads_out_of_the_folder(name: str) -> None:
    assert "there is no preset" in preset_error(name)


def test_a_cycle_of_presets_is_refused_with_its_links(own_presets: Path) -> None:
    (own_presets / "a.yaml").write_text("extends: b\n")
    (own_presets / "b.yaml").write_text("seed: 1\nextends: a\n")
    assert preset_error("a") == (
        f"{own_presets}/b.yaml:2: extends: a -> b -> a is a cycle; remove `extends` from one of them"
    )
    (own_presets / "own.yaml").write_text("extends: own\n")
    assert "extends: own -> own is a cycle" in preset_error("own")


def test_extending_an_unknown_preset_is_reported_with_its_line(own_presets: Path) -> None:
    (own_presets / "a.yaml").write_text("\nextends: cifar\n")
    assert preset_error("a") == (
        f"{own_presets}/a.yaml:2: extends: there is no preset 'cifar'; did you mean cifar10? "
        "`wmse-tui presets` lists them"
    )


def test_a_broken_preset_of_the_user_breaks_no_other(own_presets: Path) -> None:
    (own_presets / "a.yaml").write_text("a: [")
    assert "a" in preset_names()
    assert "not YAML" in preset_error("a")
    assert find_preset("stl10").name == "stl10"
