"""Evaluations after training as processes, and the results that they save."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import EvaluationError, LaunchError
from wmse_tui.runs.process.evaluation_process import launch_evaluation
from wmse_tui.runs.state.saved_evaluations import read_saved_evaluations

RESULT = {
    "v": 1,
    "checkpoint": "best.pt",
    "time": "2026-03-01T12:00:00+00:00",
    "epoch": 3,
    "step": 30,
    "knn": {"top1": 0.5, "k": 5, "metric": "euclidean"},
    "linear": None,
    "raw_pixels": None,
    "train_split": "train",
    "test_split": "test",
    "seconds": 1.5,
}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path / "runs", "seed: 0\n", name="mine")


def program(folder: Path, *lines: str, status: int = 0) -> Path:
    """A program that prints these lines, whatever its arguments are."""
    path = folder / "program"
    path.write_text("\n".join(("#!/bin/sh", "cat <<'END'", *lines, "END", f"exit {status}\n")))
    path.chmod(0o755)
    return path


def test_the_result_is_the_last_object_among_what_libraries_print(run: RunDirectory, tmp_path: Path) -> None:
    progress = json.dumps({"progress": {"name": "knn", "done": 1, "total": 2, "unit": ""}})
    python = program(tmp_path, "a warning", progress, json.dumps({"result": RESULT}), "bye")
    started = launch_evaluation(run, python=python)
    started.process.wait()
    assert started.result() == RESULT
    assert started.output.closed


@pytest.mark.parametrize(
    ("line", "title", "detail"),
    [
        ('{"error": {"title": "no checkpoint", "detail": "in mine\\u001b[2J", "next": ["train"]}}',
         "no checkpoint", "in mine\\x1b[2J"),
        ("Killed", "the evaluation ended with status 9 and no result", "Killed"),
        ('["a list"]', "the evaluation ended with status 9 and no result", '["a list"]'),
        ('{"result": 3}', "the evaluation ended with status 9 and no result", ""),
    ],
)  # fmt: skip
def test_a_failure_is_an_error_with_its_reason(
    run: RunDirectory, tmp_path: Path, line: str, title: str, detail: str
) -> None:
    started = launch_evaluation(run, python=program(tmp_path, line, status=9))
    started.process.wait()
    with pytest.raises(EvaluationError) as failed:
        started.result()
    assert (failed.value.title, failed.value.detail) == (title, detail)


def test_a_program_that_is_missing_is_reported(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="the evaluation cannot be started"):
        launch_evaluation(run, python=tmp_path / "missing")


def test_saved_results_are_read_in_the_order_of_their_times(run: RunDirectory) -> None:
    assert read_saved_evaluations(run) == ()
    run.evaluations.mkdir(exist_ok=True)
    for name in (
        "final-20260301T000000000002Z",
        "best-20260301T000000000003Z",
        "last-20260301T000000000001Z",
    ):
        (run.evaluations / f"{name}.json").write_text(json.dumps(RESULT | {"checkpoint": name.split("-")[0]}))
    bad = ("", "[]", "{", json.dumps(RESULT | {"epoch": -1}), json.dumps(RESULT | {"knn": 3}), "[" * 9999)
    for index, content in enumerate(bad):
        (run.evaluations / f"best-2026030{index}T0Z.json").write_text(content)
    (run.evaluations / "link-1.json").symlink_to(sys.executable)
    found = read_saved_evaluations(run)
    assert [one.checkpoint for one in found] == ["last", "final", "best"]
    assert found[0].evaluation.knn_top1 == 0.5
