"""What a trainer leaves beside its log, so that no viewer need fold all of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import KILL, Fault, train_with

from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.digest import read_digest
from wmse_tui.runs.state.watch import RunWatcher, view_run

MakeRun = Callable[..., RunDirectory]


def test_the_digest_of_a_trainer_that_ended_is_of_its_whole_log(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1")
    assert run_session(run.path) == 0
    digest = read_digest(run)
    assert digest is not None
    assert digest.position.point.is_end_of(run.events)
    assert view_run(run) == RunWatcher(run, records=[]).poll()


def test_a_killed_trainer_leaves_the_digest_of_its_last_evaluation_and_the_next_attempt_goes_on_from_it(
    make_run: MakeRun,
) -> None:
    run = make_run("schedule.epochs=2")
    assert train_with(Fault("replace final.pt", KILL), run.path) == -signal.SIGKILL
    digest = read_digest(run)
    assert digest is not None
    assert [one.epoch for one in digest.state.evaluations] == [0, 1, 2]
    content = run.events.read_bytes()
    evaluated = content.index(b"\n", content.rindex(b'"type":"evaluation"')) + 1
    assert digest.position.point.offset >= evaluated
    assert view_run(run) == RunWatcher(run, records=[]).poll()

    assert run_session(run.path) == 0
    digest = read_digest(run, brief=True)
    assert digest is not None
    assert digest.position.point.is_end_of(run.events)
    assert view_run(run) == RunWatcher(run, records=[]).poll()


def test_a_failed_start_leaves_one_too(make_run: MakeRun) -> None:
    run = make_run()
    run.config.write_text("nonsense: 1\n")
    assert run_session(run.path) != 0
    digest = read_digest(run, brief=True)
    assert digest is not None
    assert digest.state.exit is not None


def test_a_trainer_waits_for_no_disk_because_of_it(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("schedule.epochs=1")
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    assert run_session(run.path) == 0
    assert synced
    assert [path for path in synced if run.digest.name in path] == []
