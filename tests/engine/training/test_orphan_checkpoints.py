"""A trainer that is killed between a checkpoint and its line in the log: it is reported all the same."""

from __future__ import annotations

import signal
from collections.abc import Callable

from events import read_log
from faults import KILL, Fault, train_with

from wmse_tui.engine.training.checkpoints import step_checkpoints
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Checkpoint
from wmse_tui.runs.state.watch import RunWatcher, view_run

MakeRun = Callable[..., RunDirectory]


def test_a_checkpoint_without_its_line_is_shown_and_reported_by_the_next_attempt(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1")
    assert train_with(Fault("replace final.pt", KILL), run.path) == -signal.SIGKILL
    assert [e for e in read_log(run.events) if isinstance(e.event, Checkpoint)] == []
    assert [path.name for path in step_checkpoints(run.checkpoints)] == ["step-00000006.pt"]

    watcher = RunWatcher(run)
    view = watcher.poll()
    assert view.status == "crashed"
    assert [(saved.file, saved.step, saved.kinds) for saved in view.checkpoints] == [
        ("step-00000006.pt", 6, ("unlogged",))
    ]
    assert watcher.poll() is view, "nothing changed, so nothing is drawn"

    assert run_session(run.path) == 0
    records = [e.event for e in read_log(run.events) if isinstance(e.event, Checkpoint)]
    assert [(saved.file, saved.kinds) for saved in records] == [
        ("step-00000006.pt", ("final", "best"))
    ] * len(records)
    assert records[0].sha256 == view.checkpoints[0].sha256
    assert [saved.file for saved in view_run(run).checkpoints] == ["step-00000006.pt"]


def test_what_is_no_whole_checkpoint_is_none(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1")
    assert train_with(Fault("replace step-00000006.pt.sha256", KILL), run.path) == -signal.SIGKILL
    (run.checkpoints / "step-00000007.pt").write_bytes(b"half")  # without its checksum
    (run.checkpoints / "step-x.pt").write_bytes(b"")
    view = view_run(run)
    assert (view.status, view.checkpoints) == ("crashed", ())
