"""A trainer that finds fewer checkpoints than its log has reports it before it trains."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from events import read_log

from wmse_tui.engine.training.checkpoints import checksum_path, step_checkpoints
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Attempt, Notice
from wmse_tui.runs.process.control import request
from wmse_tui.runs.state.watch import view_run

MakeRun = Callable[..., RunDirectory]


def reported(run: RunDirectory) -> list[str]:
    events = [record.event for record in read_log(run.events)]
    begins = [index for index, event in enumerate(events) if isinstance(event, Attempt)]
    found = [
        event.text
        for event in events[begins[-2] : begins[-1]]
        if isinstance(event, Notice) and event.code == "N_LOST_WORK"
    ]
    everywhere = [e for e in events if isinstance(e, Notice) and e.code == "N_LOST_WORK"]
    assert len(everywhere) == len(found), "reported before the attempt that does it again, and once"
    return found


@pytest.fixture
def stopped(make_run: MakeRun) -> RunDirectory:
    """A run of two epochs with a checkpoint after the first, stopped in the second."""
    run = make_run("schedule.epochs=2", "checkpoint.every_minutes=0.0001")
    request(run, "stop_after_epoch")
    run_session(run.path)
    return run


def test_without_any_checkpoint_it_begins_again_and_reports_what_is_lost(stopped: RunDirectory) -> None:
    state = view_run(stopped)
    assert state.step
    for path in stopped.checkpoints.iterdir():
        path.unlink()
    assert run_session(stopped.path) == 0
    (text,) = reported(stopped)
    assert text.startswith(f"the log has {state.step} steps")
    assert text.endswith("training begins again from step 0")


def test_an_older_checkpoint_is_continued_and_the_missing_one_reported(stopped: RunDirectory) -> None:
    older, newest = step_checkpoints(stopped.checkpoints)[-2:]
    for path in (newest, checksum_path(newest)):
        path.unlink()
    assert run_session(stopped.path) == 0
    (text,) = reported(stopped)
    there = int(older.stem.removeprefix("step-"))
    assert f"the newest is of step {there}; " in text


def test_a_damaged_newest_one_counts_as_missing(stopped: RunDirectory) -> None:
    step_checkpoints(stopped.checkpoints)[-1].write_bytes(b"")
    assert run_session(stopped.path) == 0
    (text,) = reported(stopped)
    assert "is not there, the newest is of step" in text


def test_an_undisturbed_run_reports_nothing(stopped: RunDirectory) -> None:
    assert run_session(stopped.path) == 0
    assert reported(stopped) == []
