"""What a run does again because its checkpoints are not there, by its log and the names in checkpoints/."""

from __future__ import annotations

from pathlib import Path

import pytest
from events import attempt, checkpoint, epoch, evaluation

from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.events import Event, Record, Steps
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.lost_work import LostWork, work_lost_by_resuming
from wmse_tui.runs.state.run import RunState

STEPS = Steps(first=1, loss=(1.0,) * 9)
FIRST, SECOND = (checkpoint(step, f"step-{step:08d}.pt") for step in (4, 8))
CASES: dict[str, tuple[tuple[Event, ...], tuple[str, ...], LostWork | None, str]] = {
    # name: the log, the files, what is lost, in which words
    "new": ((), (), None, ""),
    "nothing trained": ((attempt(), evaluation(0, 0, 0.3)), (), None, ""),
    "killed before the first": (
        (attempt(), STEPS),
        (),
        LostWork(0, None, 9, 0),
        "the log has 9 steps, and no checkpoint was saved yet; training begins again from step 0",
    ),
    "all removed": (
        (attempt(), evaluation(0, 0, 0.3), STEPS, epoch(1, 4), FIRST, evaluation(1, 4, 0.4), SECOND),
        ("best.pt", "final.pt", "step-00000008.pt.sha256", ".step-00000008.pt.tmp"),
        LostWork(0, 8, 9, 1),
        (
            "the log has 9 steps and 1 evaluation and a checkpoint of step 8, "
            "and checkpoints/ has none; training begins again from step 0"
        ),
    ),
    "the newest removed": (
        (attempt(), STEPS, FIRST, SECOND),
        ("step-00000004.pt",),
        LostWork(4, 8, 5, 0),
        "the checkpoint of step 8 is not there, the newest is of step 4; 5 steps of the log are done again",
    ),
    "an older one removed": ((attempt(), STEPS, FIRST, SECOND), ("step-00000008.pt",), None, ""),
    "not in the log yet": ((attempt(), STEPS, FIRST), ("step-00000008.pt",), None, ""),
    "begun again already": ((attempt(), STEPS, FIRST, attempt()), (), None, ""),
}


def made(root: Path, files: tuple[str, ...]) -> RunDirectory:
    run = create_run(root, "", name="mine")
    for name in files:
        (run.checkpoints / name).touch()
    return run


def folded(events: tuple[Event, ...]) -> RunState:
    records = (Record(1, seq, float(seq), 1, event) for seq, event in enumerate(events, 1))
    return fold(RunState(run_id="mine", path="/mine"), records)


@pytest.mark.parametrize("case", CASES)
def test_what_is_lost(tmp_path: Path, case: str) -> None:
    events, files, lost, text = CASES[case]
    found = work_lost_by_resuming(made(tmp_path, files), folded(events))
    assert found == lost
    assert (found.text() if found else "") == text


def test_a_folder_that_cannot_be_read_is_left_to_the_trainer(tmp_path: Path) -> None:
    run = made(tmp_path, ())
    run.checkpoints.rmdir()
    run.checkpoints.symlink_to(tmp_path)
    assert work_lost_by_resuming(run, folded((attempt(), STEPS))) is None
