"""An experiment being edited: changes, differences, problems, and the equivalent command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.config.draft import (
    Draft,
    command_line,
    draft_of,
    name_fault,
    plain_values,
    preset_file,
    preset_text,
    save_preset,
)
from wmse_tui.config.loading import (
    Base,
    dump_experiment,
    find_file,
    find_preset,
    load_experiment,
    parse_experiment,
    preset_names,
)
from wmse_tui.config.names import unions
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment


@pytest.fixture
def stl10() -> Draft:
    return Draft(find_preset("stl10"))


def run_by(command: str) -> Experiment:
    """The experiment that a command line starts."""
    words = shlex.split(command)
    assert words[:2] == ["wmse-tui", "run"]
    options = list(zip(words[2::2], words[3::2], strict=True))
    given = dict(options)
    return load_experiment(
        preset=given.get("--preset"),
        file=Path(given["--config"]) if "--config" in given else None,
        overrides=[value for flag, value in options if flag == "--set"],
    )


def test_without_changes_it_is_the_preset(stl10: Draft) -> None:
    assert stl10.experiment == load_experiment(preset="stl10")
    assert not stl10.active
    assert not stl10.problems


def test_a_change_is_marked_and_removed(stl10: Draft) -> None:
    changed = stl10.with_value("optimizer.lr", 0.001)
    assert changed.changed("optimizer.lr")
    assert not changed.changed("optimizer.beta1")
    assert changed.experiment == load_experiment(preset="stl10", overrides=["optimizer.lr=1e-3"])
    assert changed.reference("optimizer.lr") == 0.002
    assert changed.without("optimizer.lr") == stl10
    assert changed.untouched() == stl10
    assert not stl10.active, "a draft never changes"


def test_typing_the_present_value_is_no_change(stl10: Draft) -> None:
    assert not stl10.with_value("optimizer.lr", 0.002).active
    assert not stl10.with_value("optimizer.lr", 1).with_value("optimizer.lr", 2e-3).active
    assert stl10.with_value("projector.layers", True).active, "true is not 1"


def test_problems_are_listed_by_path_and_never_block(stl10: Draft) -> None:
    wrong = stl10.with_value("optimizer.lr", "fast").with_value("seed", -1)
    assert wrong.experiment is None
    assert [p.message for p in wrong.problems_at("optimizer.lr")] == ["expected a number, got 'fast'"]
    assert [p.message for p in wrong.problems_at("seed")] == ["must be at least 0, got -1"]
    assert wrong.values["optimizer.lr"] == "fast"
    assert wrong.with_value("seed", 1).with_value("optimizer.lr", 0.1).experiment is not None


def test_a_problem_inside_a_list_belongs_to_the_list(stl10: Draft) -> None:
    wrong = stl10.with_value("schedule.milestones", [50, 0])
    assert [p.path for p in wrong.problems_at("schedule.milestones")] == ["schedule.milestones.1"]


def test_a_rule_about_two_options_is_a_problem_of_the_one_to_change(stl10: Draft) -> None:
    wrong = stl10.with_value("method.whitening_size", 64)
    assert [p.fix for p in wrong.problems_at("method.whitening_size")] == [
        "use more than 128; the paper uses 256"
    ]


def test_switching_a_variant_keeps_shared_options_and_remembers_the_others() -> None:
    draft = Draft(find_preset("cifar10")).with_value("optimizer.lr", 0.01).with_value("optimizer.beta1", 0.8)
    sgd = draft.with_value("optimizer.name", "sgd")
    assert sgd.values["optimizer.lr"] == 0.01
    assert "optimizer.beta1" not in sgd.values
    assert "optimizer.momentum" in sgd.values
    assert sgd.experiment is not None
    back = sgd.with_value("optimizer.name", "adam")
    assert back.values["optimizer.beta1"] == 0.8
    assert not back.changed("optimizer.name")


@pytest.mark.parametrize("variant", [(s, u.tag, v) for s, u in unions().items() for v in u.classes], ids=str)
def test_every_option_of_every_variant_can_be_changed(variant: tuple[str, str, str]) -> None:
    section, tag, value = variant
    draft = Draft(find_preset("cifar10")).with_value(f"{section}.{tag}", value)
    elsewhere = {path for path in draft.fields if path.partition(".")[0] != section}
    for path, option in draft.fields.items():
        if path == f"{section}.{tag}" or (draft.active and path in elsewhere):
            continue  # options of other sections are gone through with the preset's own variant
        other = next(new for new in candidates(option, draft.values[path]))
        changed = draft.with_value(path, option.value(option.text(other)))
        assert changed.changed(path), path
        assert changed.values[path] == other, path
        if changed.experiment is not None:
            assert plain_values(changed.experiment)[path] == other, path
        else:
            assert changed.problems, path


def candidates(option: Any, now: object) -> list[Any]:
    """Values of an option other than the one it has."""
    match option.kind:
        case "choice":
            return [choice for choice in option.choices if choice != now]
        case "flag":
            return [not now]
        case "whole":
            return [value for value in (3, 4, 12) if value != now]
        case "number":
            return [value for value in (0.25, 0.3) if value != now]
        case "list":
            return [[0.3, 0.6, 0.7] if "3 numbers" in option.bounds else [2, 1]]
        case "folder":
            return ["/somewhere"]
        case _:
            return ["cpu" if option.path == "compute.device" else "text"]


def test_a_change_of_recipe_drops_title_and_published_number(stl10: Draft) -> None:
    byol = stl10.with_value("method.name", "byol")
    assert byol.values["title"] == ""
    assert byol.experiment is not None
    assert byol.experiment.paper is None
    assert not byol.changed("title"), "the user did not change it"
    titled = byol.with_value("title", "mine")
    assert titled.experiment is not None
    assert titled.experiment.title == "mine"


def test_clearing_an_option_gives_the_default(stl10: Draft) -> None:
    cleared = stl10.with_value("dataset.eval_resize", None)
    assert cleared.changed("dataset.eval_resize")
    assert cleared.experiment is not None
    assert cleared.experiment.dataset.eval_resize is None


def test_a_folder_starts_in_the_working_directory(
    stl10: Draft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draft = stl10.with_value("dataset.root", "images")
    assert draft.values["dataset.root"] == str(tmp_path / "images")
    assert draft.experiment is not None
    assert draft.experiment.dataset.root == tmp_path / "images"
    assert f"dataset.root={tmp_path / 'images'}" in shlex.split(command_line(draft))


@pytest.mark.parametrize("base", ["quickstart", "cifar10", "stl10-byol"])
def test_any_preset_is_any_other_with_some_changes(base: str) -> None:
    ground = find_preset(base)
    for name in preset_names():
        wanted = load_experiment(preset=name)
        draft = draft_of(wanted, ground)
        assert draft.experiment == wanted
        assert bool(draft.active) == (name != base)
        assert run_by(command_line(draft)) == wanted


def test_a_run_without_the_number_of_its_preset_differs_from_it() -> None:
    wanted = load_experiment(preset="cifar10", overrides=["paper=null"])
    draft = draft_of(wanted, find_preset("cifar10"))
    assert draft.experiment == wanted
    assert dict(draft.active) == {"paper": None}
    assert run_by(command_line(draft)) == wanted
    noted = draft.with_value("paper.note", "mine")
    assert noted.experiment is not None
    assert noted.experiment.paper is not None
    empty = load_experiment(preset="quickstart", overrides=["paper={}"])
    assert draft_of(empty, find_preset("quickstart")).experiment == empty


@pytest.mark.parametrize(
    "title",
    [
        'it\'s $HOME; `x` "y"',
        "'quoted'",
        '"',
        "null",
        " ~ ",
        "a: b # c",
        "",
        "tab\tand\nline",
        "\U0001f600é",
        "==",
    ],
)
def test_a_command_line_survives_the_shell(title: str, tmp_path: Path) -> None:
    draft = Draft(find_preset("quickstart")).with_value("title", title)
    assert draft.experiment is not None
    command = command_line(draft, name="a-run", runs_dir=tmp_path / "my runs")
    assert command.isprintable()
    assert shlex.split(command)[-4:] == ["--name", "a-run", "--runs-dir", str(tmp_path / "my runs")]
    assert run_by(command).title == title


def test_the_command_sets_first_what_decides_on_other_options() -> None:
    draft = (
        Draft(find_preset("cifar10"))
        .with_value("title", "mine")
        .with_value("method.name", "w_mse")
        .with_value("dataset.train_images", None)
        .with_value("schedule.milestones", [])
        .with_value("dataset.name", "cifar100")
        .with_value("evaluation.knn", "off")
        .with_value("compute.deterministic", True)
    )
    assert command_line(draft) == (
        "wmse-tui run --preset cifar10 --set dataset.name=cifar100 --set title=mine "
        "--set 'schedule.milestones=[]' --set evaluation.knn=off --set compute.deterministic=true"
    )
    assert run_by(command_line(draft)) == draft.experiment


def test_a_file_is_a_base_with_what_it_extends(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: stl10\nseed: 4\n")
    base = find_file(file)
    draft = Draft(base).with_value("optimizer.lr", 0.5)
    assert draft.experiment == load_experiment(file=file, overrides=["optimizer.lr=0.5"])
    assert run_by(command_line(draft)) == draft.experiment
    assert base.preset == ""


def test_a_run_directory_is_opened_by_its_configuration(tmp_path: Path) -> None:
    experiment = load_experiment(preset="quickstart")
    (tmp_path / "config.yaml").write_text(dump_experiment(experiment))
    base = find_file(tmp_path)
    assert Draft(base).experiment == experiment == parse_experiment(base.file.read_text(), "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        ("seed: x", "expected a whole number"),
        ("[", "not YAML"),
        ("nope: 1", "unknown"),
    ],
)
def test_a_file_without_content_cannot_be_a_base(content: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        find_file(file)


def test_a_pipe_cannot_be_a_base(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="no such file"):
        find_file(tmp_path / "pipe")


def test_a_base_lists_the_files_that_it_extends() -> None:
    base: Base = find_preset("stl10")
    assert [(file.path.stem, file.extends) for file in base.chain] == [
        ("stl10", "cifar10"),
        ("cifar10", None),
    ]


# Saving as a preset


def test_only_what_differs_is_written(own_presets: Path) -> None:
    draft = Draft(find_preset("stl10")).with_value("optimizer.lr", 0.001).with_value("schedule.epochs", 100)
    file = save_preset(draft, "mine")
    assert file == own_presets / "mine.yaml"
    assert file.read_text() == "extends: stl10\noptimizer:\n  lr: 0.001\nschedule:\n  epochs: 100\n"
    assert find_preset("mine").experiment == draft.experiment
    assert find_preset("mine").origin == "user"
    assert [path.name for path in own_presets.iterdir()] == ["mine.yaml"]


def test_the_folder_is_created(own_presets: Path) -> None:
    own_presets.rmdir()
    save_preset(Draft(find_preset("stl10")), "same")
    assert (own_presets / "same.yaml").read_text() == "extends: stl10\n"


def test_a_preset_that_is_saved_again_still_extends_the_same_preset(own_presets: Path) -> None:
    save_preset(Draft(find_preset("stl10")).with_value("seed", 3), "mine")
    again = Draft(find_preset("mine")).with_value("optimizer.lr", 0.5)
    save_preset(again, "mine")
    assert preset_file("mine").read_text() == "extends: stl10\nseed: 3\noptimizer:\n  lr: 0.5\n"
    assert find_preset("mine").experiment == again.experiment


def test_a_saved_preset_never_extends_itself_in_a_cycle(own_presets: Path) -> None:
    save_preset(Draft(find_preset("stl10")).with_value("seed", 3), "lower")
    save_preset(Draft(find_preset("lower")).with_value("projector.layers", 3), "upper")
    draft = Draft(find_preset("upper")).with_value("optimizer.lr", 0.5)
    save_preset(draft, "lower")
    assert find_preset("lower").experiment == draft.experiment
    assert find_preset("lower").extends == "stl10"


def test_a_preset_of_a_file_extends_what_the_file_extends(own_presets: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("extends: cifar100\nseed: 5\n")
    save_preset(Draft(find_file(file)), "from-file")
    assert preset_file("from-file").read_text() == "extends: cifar100\nseed: 5\n"
    file.write_text("schedule: {epochs: 300}\n")
    save_preset(Draft(find_file(file)), "from-defaults")
    assert preset_file("from-defaults").read_text() == "schedule:\n  epochs: 300\n"


def test_a_cleared_option_stays_cleared(own_presets: Path) -> None:
    draft = Draft(find_preset("stl10")).with_value("dataset.eval_resize", None)
    save_preset(draft, "mine")
    assert find_preset("mine").experiment == draft.experiment
    without = Draft(find_preset("quickstart")).with_value("title", "")
    assert find_preset(save_preset(without, "untitled").stem).experiment.title == ""


def test_another_method_is_written_with_its_own_options(own_presets: Path) -> None:
    draft = (
        Draft(find_preset("cifar10"))
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


def test_a_draft_with_problems_is_not_saved(own_presets: Path) -> None:
    with pytest.raises(ConfigError, match="expected a whole number"):
        save_preset(Draft(find_preset("stl10")).with_value("seed", "x"), "mine")
    assert not list(own_presets.iterdir())


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "-x", "x" * 65, "ä", "stl10", "quickstart"])
def test_invalid_names_are_refused(name: str, own_presets: Path) -> None:
    assert name_fault(name)
    with pytest.raises(ConfigError, match="cannot be the name of a preset"):
        save_preset(Draft(find_preset("stl10")), name)
    assert not list(own_presets.iterdir())


@pytest.mark.parametrize("name", ["a", "7", "my.preset_2-b", "last"])
def test_valid_names_are_accepted(name: str, own_presets: Path) -> None:
    assert name_fault(name) == ""


def test_a_folder_that_cannot_be_created_is_reported(
    own_presets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_presets / "file").write_text("")
    monkeypatch.setenv("WMSE_TUI_PRESETS", str(own_presets / "file"))
    with pytest.raises(ConfigError, match="cannot be written"):
        save_preset(Draft(find_preset("stl10")), "mine")


def test_a_parent_that_is_invalid_by_itself_can_be_extended(own_presets: Path) -> None:
    (own_presets / "half.yaml").write_text("extends: stl10\nprojector: {dim: 300}\n")
    (own_presets / "whole.yaml").write_text("extends: half\nmethod: {whitening_size: 512}\n")
    draft = Draft(find_preset("whole")).with_value("seed", 9)
    save_preset(draft, "whole")
    assert preset_text(draft, preset_file("whole")).startswith("extends: half\n")
    assert find_preset("whole").experiment == draft.experiment
