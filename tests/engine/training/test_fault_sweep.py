"""Whichever operation of a save fails or is the last one, the old checkpoint or the new one is there, whole.

As SQLite is tested: fail the first operation, the second, ... until a save passes untouched, in every way a
disk can fail. `tests/faults` does the same to whole training runs, with processes that really die.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import torch
from events import read_log
from faults import DEATH, HOWS, SHORT, Fault, Faults, every_operation, survived

from wmse_tui.config.sections.checkpoint import CheckpointOptions
from wmse_tui.engine.errors import CheckpointError
from wmse_tui.engine.training.checkpoint_manager import CheckpointManager
from wmse_tui.engine.training.checkpoints import (
    name_checkpoint,
    newest_checkpoint,
    prune_checkpoints,
    read_checkpoint,
    save_checkpoint,
)
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.events import Checkpoint, Event, Notice
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState

Record = Callable[[str, object], None]
QUICK = ("ENOSPC", SHORT, DEATH)
ALL = [how if how in QUICK else pytest.param(how, marks=pytest.mark.slow_faults) for how in HOWS]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut takes cannot be seen here: that `fsync` is called, and in which order, can."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def save(folder: Path, step: int, *, again: int = 0) -> None:
    """What the checkpoint manager does at a best epoch: save, name, remove what is too old."""
    state = {"weights": torch.full((100,), float(step)), "step": step, "again": again}
    name_checkpoint(save_checkpoint(folder, step, state), "best")
    prune_checkpoints(folder, keep=1)


def newest(folder: Path) -> int:
    passed_over: list[CheckpointError] = []
    found = newest_checkpoint(folder, damaged=passed_over.append)
    assert found is not None, "neither"
    assert not passed_over, "a checkpoint under its name is whole, or it has no name"
    assert torch.equal(found[1]["weights"], torch.full((100,), float(found[1]["step"])))
    return int(found[1]["step"])


@pytest.mark.parametrize("how", ALL)
def test_failpoint_sweep(tmp_path: Path, how: str, record_property: Record) -> None:
    """Saving step 2 over step 1: every operation, once and for good, and what a later save makes of it."""
    plain = tmp_path / "plain"
    plain.mkdir()
    save(plain, 1)
    operations = every_operation(plain, lambda: save(plain, 2))
    assert {name.split()[0] for name in operations} == {"open", "write", "fsync", "replace", "link", "unlink"}

    tries, outcomes = 0, set()
    for at, lasting in itertools.product(range(1, len(operations) + 1), (False, True)):
        if how == DEATH and lasting:
            continue
        folder = tmp_path / f"{at}-{lasting}"
        folder.mkdir()
        save(folder, 1)
        with Faults(folder, Fault(at, how, lasting=lasting)) as faults, survived():
            save(folder, 2)
        assert faults.struck
        assert newest(folder) in (1, 2), operations[at - 1]
        assert read_checkpoint(folder / "best.pt")["step"] in (1, 2), operations[at - 1]
        outcomes.add(newest(folder))
        save(folder, 3)  # nothing that was left behind is in the way
        assert (newest(folder), read_checkpoint(folder / "best.pt")["step"]) == (3, 3)
        assert not list(folder.glob(".*")), "no leftovers"
        tries += 1
    assert outcomes == {1, 2}
    record_property("tries", tries)


@pytest.mark.parametrize("how", ALL)
def test_a_step_saved_twice_is_whole_at_every_operation(
    tmp_path: Path, how: str, record_property: Record
) -> None:
    """A pause, then a stop, save the same step; the run may have no other checkpoint."""
    plain = tmp_path / "plain"
    plain.mkdir()
    save(plain, 1)
    operations = every_operation(plain, lambda: save(plain, 1, again=1))
    for at in range(1, len(operations) + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        save(folder, 1)
        with Faults(folder, Fault(at, how)), survived():
            save(folder, 1, again=1)
        assert newest(folder) == 1, operations[at - 1]
        assert read_checkpoint(folder / "best.pt")["step"] == 1
    record_property("tries", len(operations))


@pytest.mark.parametrize(
    "name",
    [
        "open .step-00000002.pt.tmp",
        "write .step-00000002.pt.tmp",
        "fsync .step-00000002.pt.tmp",
        "replace step-00000002.pt.sha256",
        "replace step-00000002.pt",
        "link .best.pt.tmp",
        "replace best.pt.sha256",
        "replace best.pt",
        "unlink step-00000001.pt",
    ],
)
def test_each_named_failpoint_is_met(tmp_path: Path, name: str) -> None:
    """A list of what a save consists of: a step that is left out one day is missed here."""
    save(tmp_path, 1)
    with Faults(tmp_path, Fault(name, "EIO")) as faults, survived():
        save(tmp_path, 2)
    assert faults.struck


@pytest.mark.parametrize("how", ALL)
def test_log_and_checkpoint_agree_whichever_operation_fails(
    tmp_path: Path, how: str, record_property: Record
) -> None:
    """Manager and log together: a failed save is reported, and every line that was written can be read."""

    def work(folder: Path) -> None:
        with EventWriter(folder / "events.jsonl") as log:
            log.begin_attempt()
            manager = CheckpointManager(
                lambda: folder, CheckpointOptions(), write=log.write, sync_log=log.sync
            )
            for step in (2, 3):
                state = {"weights": torch.full((100,), float(step)), "step": step}
                manager.save(state, step=step, epoch=1, kinds=("periodic",))

    plain = tmp_path / "plain"
    plain.mkdir()
    save(plain, 1)
    operations = every_operation(plain, lambda: work(plain))
    for at in range(1, len(operations) + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        save(folder, 1)
        with Faults(folder, Fault(at, how)) as faults, survived_or_refused():
            work(folder)
        assert faults.struck
        there = newest(folder)
        with EventWriter(folder / "events.jsonl") as log:  # the next attempt repairs what is torn
            assert log.seq == len(read_log(folder / "events.jsonl"))
        reported: list[Event] = [record.event for record in read_log(folder / "events.jsonl")]
        saved = [event.step for event in reported if isinstance(event, Checkpoint)]
        assert max(saved, default=1) <= there, operations[at - 1]
        if how != DEATH and at > 1:  # the first is to open the log, without which nothing is done
            refused = [event for event in reported if isinstance(event, Notice)]
            assert len(saved) + len(refused) == 2, operations[at - 1]
        reader = EventReader(folder / "events.jsonl")
        view = fold(RunState(), reader.poll())
        assert (view.missing, view.unreadable, reader.unreadable) == (0, 0, 0)
    record_property("tries", len(operations))


def survived_or_refused() -> ExitStack:

    stack = ExitStack()
    stack.enter_context(suppress(StorageError))
    stack.enter_context(survived())
    return stack
