"""Reading saved neighbours: what is no such file is an error, and never a picture elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.state.neighbour_images import NEIGHBOURS_FILE, read_neighbours

GOOD: dict[str, Any] = {
    "v": 1,
    "file": "neighbours-00000006.png",
    "tile": 32,
    "epoch": 2,
    "step": 6,
    "checkpoint": "final.pt",
    "metric": "euclidean",
    "classes": [["cat", "cat", "dog"], ["", "dog", "cat"]],
    "images": 60,
    "of": 100,
    "split": "test",
    "train_split": "train",
}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path)
    run.artifacts.mkdir()
    return run


def test_what_was_saved_is_read_and_nothing_is_none(run: RunDirectory) -> None:
    assert read_neighbours(run) is None
    (run.artifacts / NEIGHBOURS_FILE).write_text(json.dumps(GOOD))
    found = read_neighbours(run)
    assert found is not None
    assert (found.tile, found.classes[1]) == (32, ("", "dog", "cat"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 10_000,
        json.dumps(GOOD | {"v": 2}),
        json.dumps(GOOD | {"file": "../../secret.png"}),
        json.dumps(GOOD | {"classes": []}),
        json.dumps(GOOD | {"classes": [[]]}),
        json.dumps(GOOD | {"classes": [["a"], ["a", "b"]]}),
        json.dumps(GOOD | {"tile": 0}),
        json.dumps(GOOD | {"epoch": "x"}),
        json.dumps(GOOD | {"checkpoint": "x" * (2 << 20)}),
    ],
    ids=lambda content: content[:40],
)
def test_anything_else_is_an_error(run: RunDirectory, content: str) -> None:
    (run.artifacts / NEIGHBOURS_FILE).write_text(content)
    with pytest.raises(StorageError) as caught:
        read_neighbours(run)
    assert NEIGHBOURS_FILE in caught.value.detail


def test_something_that_is_no_file_is_an_error(run: RunDirectory) -> None:
    (run.artifacts / NEIGHBOURS_FILE).mkdir()
    with pytest.raises(StorageError):
        read_neighbours(run)
