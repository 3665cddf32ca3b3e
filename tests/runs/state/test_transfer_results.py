"""Transfer results as `evaluations` stores them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_transfer import transfer_result

from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.state.saved_evaluations import read_saved_evaluations
from wmse_tui.runs.state.transfer_results import (
    TransferResult,
    read_transfer,
    saved_transfer_json,
    transfer_from_json,
    transfer_json,
)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path, "seed: 1\n", name="r")


def save(run: RunDirectory, values: Any, time: str, checkpoint: str = "final") -> None:
    (run.evaluations / f"{checkpoint}-{time}.json").write_text(json.dumps(values))


def test_results_survive_json() -> None:
    results = (transfer_result("patterns"), transfer_result("cifar10", 0.5))
    assert transfer_from_json(json.loads(json.dumps(transfer_json(results)))) == results


def test_the_newest_result_of_each_set_counts(run: RunDirectory) -> None:
    old, new = transfer_result("patterns", 0.5), transfer_result("patterns", 0.75)
    other = transfer_result("cifar10")
    about = {"checkpoint": "best.pt", "time": "then"}
    save(run, {**about, "transfer": transfer_json((old, other))}, "20260101T000000000000Z")
    about = {"checkpoint": "final.pt", "time": "now"}
    save(run, {**about, "transfer": transfer_json((new,))}, "20260102T000000000000Z")
    save(run, {**about, "knn": None}, "20260103T000000000000Z")
    found = read_transfer(run)
    assert [(one.result, one.checkpoint, one.time) for one in found] == [
        (other, "best.pt", "then"),
        (new, "final.pt", "now"),
    ]
    assert saved_transfer_json(found)["patterns"]["checkpoint"] == "final.pt"
    assert read_saved_evaluations(run) == ()


def test_fine_tuning_stays_where_the_same_checkpoint_is_measured_again_without(run: RunDirectory) -> None:
    tuned = transfer_result("patterns", 0.5)
    plain = replace(transfer_result("patterns", 0.75), fine_tuned=())
    other = replace(plain, test_split="test (7)")

    def found(*saved: tuple[str, TransferResult]) -> TransferResult:
        for path in run.evaluations.iterdir():
            path.unlink()
        for number, (sha256, result) in enumerate(saved):
            about = {"checkpoint": "final.pt", "time": "now", "sha256": sha256}
            save(run, {**about, "transfer": transfer_json((result,))}, str(number))
        (one,) = read_transfer(run)
        return one.result

    assert found(("a", tuned), ("a", plain)) == replace(plain, fine_tuned=tuned.fine_tuned)
    assert found(("a", tuned), ("b", plain)) == plain
    assert found(("a", tuned), ("a", other)) == other


@pytest.mark.parametrize(
    "change",
    [
        {"set": 3},
        {"classes": -1},
        {"seconds": float("nan")},
        {"linear": None},
        {"knn": {}},
        {"metric": "accuracy"},
    ],
)
def test_what_is_no_result_is_left_out(run: RunDirectory, change: dict[str, Any]) -> None:
    values = transfer_json((transfer_result("patterns"),))
    values["patterns"] |= change
    save(run, {"checkpoint": "final.pt", "time": "now", "transfer": values}, "1")
    save(run, {"checkpoint": "final.pt", "time": "now", "transfer": [values]}, "2")
    save(run, [values], "3")
    (run.evaluations / "final-4.json").write_text("{")
    assert read_transfer(run) == ()


def test_a_later_versions_fields_are_ignored() -> None:
    result = replace(transfer_result("patterns"), cached=True)
    values = transfer_json((result,))
    values["patterns"]["more"] = [1, 2]
    assert transfer_from_json(values) == (result,)
