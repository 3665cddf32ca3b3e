"""`neighbours`: the engine's search for a run or a checkpoint, and its result as text."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.interpreter import interpreter_command

FOUND: dict[str, Any] = {
    "v": 1,
    "file": "neighbours-00000020.png",
    "tile": 8,
    "epoch": 4,
    "step": 20,
    "checkpoint": "final.pt",
    "metric": "cosine",
    "classes": [["cat", "cat", "d\x1b[2Jog"], ["dog", "dog", "dog"], ["", "cat", ""]],
    "images": 5000,
    "of": 50000,
    "split": "test",
    "train_split": "train",
}


def test_a_line_for_each_image_has_the_classes_of_its_neighbours(
    cli: Callable[..., Result],
    make_run: Callable[..., RunDirectory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets: list[str] = []

    def engine(target: str) -> list[str]:
        targets.append(target)
        return [sys.executable, "-c", f"print({json.dumps({'result': FOUND})!r})"]

    monkeypatch.setattr("wmse_tui.runs.process.evaluation_process.neighbours_command_line", engine)
    run = make_run()
    checkpoint = run.checkpoints / "best.pt"
    checkpoint.write_bytes(b"")
    shown = cli("neighbours", "small")
    assert shown.stdout.splitlines() == [
        "image  nearest 1  nearest 2",
        "cat    cat        ! d\\x1b[2Jog",
        "dog    dog        dog",
        "-      cat        -",
        "75.00 % of the neighbours have the class of their image",
        "test images, nearest of 5,000 of 50,000 (train), cosine",
        "checkpoint  final.pt, epoch 4",
        f"file  {run.artifacts / 'neighbours-00000020.png'}",
    ]
    assert json.loads(cli("neighbours", str(checkpoint), "--json").stdout) == FOUND
    assert targets == [str(run.path), str(checkpoint)]


def test_the_engine_is_the_one_that_the_app_starts() -> None:
    from wmse_tui.runs.process.evaluation_process import neighbours_command_line

    assert neighbours_command_line("/r") == interpreter_command(
        "wmse_tui.engine.commands", "neighbours", "/r"
    )
