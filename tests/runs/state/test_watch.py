"""Watching a run: one picture for everybody, and nothing new where nothing happened."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Exit, Notice, Phase, Record, Steps
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.identity import TrainerRecord, host, read_trainer, write_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.series import Series
from wmse_tui.runs.state.sparse_series import SparseSeries
from wmse_tui.runs.state.watch import RunWatcher, view_run

GOLDEN = Path(__file__).parents[1] / "data" / "events-v1.jsonl"


class Clock:
    """A monotonic clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_new_run_has_a_view(run: RunDirectory) -> None:
    run_state = view_run(run)
    assert (run_state.run_id, run_state.path, run_state.status) == ("little", str(run.path), "new")
    assert (run_state.summary.title, run_state.epochs, run_state.total_steps) == ("A little run", 3, 0)
    assert not run_state.ended


def test_polls_follow_the_log_and_are_the_same_object_while_nothing_changes(run: RunDirectory) -> None:
    watcher = RunWatcher(run, clock=Clock())
    with RunLock(run), EventWriter(run.events) as log:
        write_trainer(run, attempt=log.begin_attempt())
        log.write(Phase("train"))
        first = watcher.poll()
        assert (first.status, first.phase) == ("running", Phase("train"))
        assert watcher.poll() is first
        log.write(Steps(1, (2.5,)))
        second = watcher.poll()
        assert (second.step, second.loss.last, first.step) == (1, 2.5, 0)
        log.write(Exit(status="completed", step=1, epoch=1, seconds=1.0))
    assert watcher.poll().status == "completed"
    assert watcher.poll().ended


def test_standing_still_is_measured_on_the_watchers_own_clock(run: RunDirectory) -> None:
    clock = Clock()
    watcher = RunWatcher(run, clock=clock)
    with RunLock(run), EventWriter(run.events) as log:
        write_trainer(run, attempt=log.begin_attempt())
        log.write(Phase("train"))
        assert watcher.poll().status == "running"
        clock.now += 59
        assert watcher.poll().status == "running"
        clock.now += 2
        stalled = watcher.poll()
        assert stalled.status == "stalled"
        assert stalled.status_reason.startswith("nothing was logged for 1 min; `kill -QUIT ")
        clock.now += 20
        assert watcher.poll() is stalled, "a reason that changed each second would redraw each second"
        log.write(Notice("info", "N", "back again"))
        assert watcher.poll().status == "running"


def test_a_first_look_at_a_run_that_stands_still_sees_it(run: RunDirectory) -> None:
    log = EventWriter(run.events)
    number = log.begin_attempt()
    log.close()
    attempt = GOLDEN.read_text().splitlines()[2].replace('"host":"server"', f'"host":"{host()}"')
    old = time.time() - 300
    run.events.write_text(attempt.replace('"t":1760000002.0', f'"t":{old}') + "\n")
    with RunLock(run):
        write_trainer(run, attempt=number)
        assert view_run(run).status == "stalled"
        trainer = read_trainer(run)
        assert trainer is not None
        trainer = replace(trainer, host="another")
        run.trainer_json.write_bytes(TypeAdapter(TrainerRecord).dump_json(trainer))
        assert view_run(run).status == "running", "the clocks of two machines may differ by as much"


def test_unreadable_lines_and_gaps_are_counted(run: RunDirectory) -> None:
    lines = [encode(Record(1, seq, 1.0, 1, Notice("info", "N", "x"))) for seq in (1, 2, 5)]
    far = encode(Record(1, 6, 1.0, 1, Steps(10**12, (1.0,))))
    run.events.write_text("\n".join([*lines[:2], "garbage", lines[2], far]) + "\n")
    run_state = view_run(run)
    assert (run_state.unreadable, run_state.missing, len(run_state.notices)) == (2, 2, 3)


def test_a_replaced_log_replaces_the_picture(run: RunDirectory) -> None:
    run.events.write_bytes(GOLDEN.read_bytes())
    watcher = RunWatcher(run)
    assert watcher.poll().step == 12
    run.events.write_text(encode(Record(1, 1, 1.0, 1, Steps(1, (0.5,)))) + "\n")
    run_state = watcher.poll()
    assert (run_state.step, run_state.evaluations, run_state.run_id) == (1, (), "little")


def test_a_log_of_many_blocks_is_read_in_one_poll(run: RunDirectory) -> None:
    with EventWriter(run.events) as log:
        for number in range(20):
            log.write(Notice("info", str(number), "x" * 500_000))
    assert run.events.stat().st_size > 8 * 1024 * 1024
    assert [notice.code for notice in view_run(run).notices] == [str(number) for number in range(20)]


def everything(run_state: RunState) -> dict[str, object]:
    """All that a picture holds, curves as their values."""
    held = {field.name: getattr(run_state, field.name) for field in dataclasses.fields(run_state)}
    for name, value in held.items():
        if isinstance(value, Series):
            held[name] = value.values()
        elif isinstance(value, SparseSeries):
            held[name] = [list(part) for part in value.knots()]
    return held


def files_of(run: RunDirectory) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (status.st_mtime_ns, status.st_ino, status.st_size)
        for path in (run.path, *run.path.rglob("*"))
        for status in (path.stat(),)
    }


def test_two_viewers_see_the_same_whenever_they_poll_and_write_nothing(run: RunDirectory) -> None:
    """One polls after every few bytes, partial lines among them; another when all is over."""
    log = GOLDEN.read_bytes()
    early = RunWatcher(run, clock=Clock())
    steps = []
    for end in (*range(0, len(log), 97), len(log)):
        run.events.write_bytes(log[:end])
        before = files_of(run)
        steps.append(early.poll().step)
        assert files_of(run) == before
    late = view_run(run)
    assert len(set(steps)) > 3
    assert everything(early.poll()) == everything(late)
    assert (late.step, late.unreadable, len(late.evaluations)) == (12, 0, 3)
    assert len(late.loss.values()) == 12
    assert files_of(run) == before


def long_log(run: RunDirectory, *last: Exit) -> None:
    """A log of three blocks and a little, one step a record."""
    with EventWriter(run.events) as log:
        log.begin_attempt()
        for step in range(1, 8):
            log.write(Steps(step, (float(step),)))
            log.write(Notice("info", "N", "x" * 100_000))
        for event in last:
            log.write(event)


def test_with_little_time_a_long_log_comes_as_pictures_of_its_beginning(run: RunDirectory) -> None:
    long_log(run, Exit(status="completed", step=7, epoch=1, seconds=1.0))
    watcher = RunWatcher(run, clock=Clock())
    assert watcher.behind is None
    pictures: list[tuple[int, str, float | None]] = []
    while not pictures or watcher.behind is not None:
        run_state = watcher.poll(budget_seconds=0.0)
        pictures.append((run_state.step, run_state.status, watcher.behind))
    steps = [step for step, _, _ in pictures]
    assert steps == sorted(steps)
    assert (len(steps), steps[-1]) == (4, 7)
    assert 0 < steps[0] < 7, "the first picture is there at once, and not of nothing"
    assert [state for _, state, _ in pictures] == ["unknown", "unknown", "unknown", "completed"]
    shares = [share for _, _, share in pictures if share is not None]
    assert shares == sorted(shares)
    assert all(0 < share < 1 for share in shares)
    assert run_state == view_run(run)


def test_a_living_run_counts_as_running_while_its_log_is_read(run: RunDirectory) -> None:
    long_log(run)
    watcher = RunWatcher(run, clock=Clock())
    with RunLock(run):
        run_state = watcher.poll(budget_seconds=0.0)
        assert (run_state.status, run_state.status_reason, watcher.behind is None) == ("running", "", False)
    run_state = watcher.poll(budget_seconds=0.0)
    assert (run_state.status, run_state.status_reason) == ("unknown", "its log is being read")
    assert watcher.poll().status == "crashed"


def test_time_enough_reads_all_at_once(run: RunDirectory) -> None:
    long_log(run)
    watcher = RunWatcher(run, clock=Clock())  # on which no time passes
    assert (watcher.poll(budget_seconds=0.001).step, watcher.behind) == (7, None)


def test_a_log_that_cannot_be_read_is_an_error(run: RunDirectory) -> None:
    run.events.mkdir()
    with pytest.raises(StorageError, match=r"cannot read the run's log: .*: a folder, not a regular file"):
        view_run(run)
