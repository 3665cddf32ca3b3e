"""The configuration of a run: complete and checked, or in part and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config import (
    ConfigSummary,
    load_configuration,
    read_configuration,
    summarise,
    with_preset,
)


def test_a_configuration_is_summed_up(run: RunDirectory) -> None:
    assert summarise(run.config) == ConfigSummary(
        title="A little run",
        method="w_mse",
        dataset="patterns",
        arch="cifar_resnet8",
        epochs=3,
        batch_size=256,
        seed=7,
        whitening_size=64,
    )


def test_the_preset_is_remembered_in_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(with_preset("title: x\n", "stl10-wmse4"))
    assert path.read_text() == "# preset: stl10-wmse4\ntitle: x\n"
    assert (summarise(path).preset, summarise(path).title) == ("stl10-wmse4", "x")
    assert with_preset("title: x\n", "") == "title: x\n"
    assert with_preset("", "a\nb") == "# preset: ab\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1, 2]",
        b"a: [",
        b"\xff",
        b"a: 2024-99-99",
        b"[" * 60_000,
        b"- " * 30_000,
        b"? " * 30_000,
        b"a: {" * 900,
        b"&a [*a]",
    ],
)
def test_what_is_no_configuration_has_a_problem_and_no_more(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    summary = summarise(path)
    assert summary.problem.startswith("config.yaml ")
    assert summary == ConfigSummary(problem=summary.problem)


def test_parts_of_another_kind_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("{title: 5, seed: true, method: w_mse, schedule: {epochs: -1}, dataset: {name: [a]}}")
    assert summarise(path) == ConfigSummary()


def test_a_missing_configuration_is_a_problem(tmp_path: Path) -> None:
    assert "No such file" in summarise(tmp_path / "config.yaml").problem


# The complete experiment


def test_a_written_configuration_is_read_back(run: RunDirectory) -> None:
    experiment = load_experiment(preset="cifar10", overrides=["seed=3"])
    run.config.write_text("# preset: cifar10\n" + dump_experiment(experiment))
    assert load_configuration(run) == read_configuration(run).experiment == experiment
    assert read_configuration(run).problem == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"optimizer: {lr: fast, name: sgdd}\nseed: -1\n", "config.yaml:2: seed: "),
        (b"\xff\xfe\x00", "config.yaml:1: is not UTF-8 text (byte 0)"),
        (b"extra: 1\n", "config.yaml:1: extra: unknown key"),
        (b"a: &x 1\n", "config.yaml:1: anchors and aliases"),
        (b"# " + b"x" * 70_000, "config.yaml: "),
    ],
)
def test_a_broken_configuration_is_a_sentence(run: RunDirectory, content: bytes, problem: str) -> None:
    run.config.write_bytes(content)
    found = read_configuration(run)
    assert found.experiment is None
    assert found.problem.startswith(problem)
    assert "\n" not in found.problem


def test_a_missing_configuration_is_a_sentence(run: RunDirectory) -> None:
    run.config.unlink()
    assert read_configuration(run).problem == "config.yaml cannot be read: No such file or directory"
    with pytest.raises(FileNotFoundError):
        load_configuration(run)


def test_a_broken_configuration_is_reported_with_its_path(run: RunDirectory) -> None:
    run.config.write_text("seed: -1\n")
    with pytest.raises(ConfigError, match=rf"^{run.config}:1: seed: must be at least 0"):
        load_configuration(run)
