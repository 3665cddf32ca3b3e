"""The summary of a configuration: read with a blind eye, never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config_summary import ConfigSummary, summarise, with_preset


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
