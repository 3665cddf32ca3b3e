"""The feed: which messages listeners get, when, and when none."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from long_runs import make_run as make_long_run
from long_runs import write_day

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.encoding import decode, encode
from wmse_tui.runs.log.events import Phase, Record, Steps
from wmse_tui.runs.state.run import RunState
from wmse_tui.tui.feed import CatalogueChanged, Feed, RunChanged, RunUnreadable
from wmse_tui.tui.refresh import RefreshRates

MakeRun = Callable[..., RunDirectory]
QUICK = RefreshRates("local", poll=0.01, text=0.01, charts=0.01, catalogue=0.02)


class Listener:
    """Takes the place of a screen: keeps what it is posted."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def post_message(self, message: Any) -> bool:
        self.heard.append(message)
        return True

    def wait(self, count: int = 1, seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while len(self.heard) < count:
            assert time.monotonic() < deadline, f"only {len(self.heard)} messages came"
            time.sleep(0.005)
        return self.heard[count - 1]


@pytest.fixture
def feed(runs_root: Path) -> Iterator[Feed]:
    """A feed at work."""
    feed = Feed(runs_root, QUICK)
    feed.start()
    yield feed
    feed.close()
    assert not feed._thread.is_alive()


def listen() -> Any:
    return Listener()


def append(run: RunDirectory, step: int) -> None:
    with run.events.open("a") as file:
        file.write(encode(Record(1, 10_000 + step, time.time(), 1, Steps(step, (0.5,)))) + "\n")


def test_a_listener_gets_the_state_at_once_and_then_only_changes(feed: Feed, make_run: MakeRun) -> None:
    run = make_run("a", "stopped")
    first, second = listen(), listen()
    feed.watch(run, first)
    posted = first.wait()
    assert isinstance(posted, RunChanged)
    assert (posted.run, posted.state.run_id, posted.state.status, posted.behind) == (
        run,
        "a",
        "stopped",
        None,
    )
    time.sleep(0.2)
    assert len(first.heard) == 1
    feed.watch(run, second)
    assert second.wait().state is posted.state
    append(run, 90)
    assert first.wait(2).state.step == 90
    assert second.wait(2).state.step == 90


def test_a_listener_that_stops_gets_nothing_more(feed: Feed, make_run: MakeRun) -> None:
    run = make_run("a", "stopped")
    gone, here = listen(), listen()
    feed.watch(run, gone)
    feed.watch(run, here)
    gone.wait()
    here.wait()
    feed.unwatch(run, gone)
    append(run, 90)
    here.wait(2)
    assert len(gone.heard) == 1
    feed.unwatch(run, here)
    assert feed._watched == {}


def test_a_listener_that_comes_back_does_not_wait_for_what_was_read_already(
    feed: Feed, make_run: MakeRun
) -> None:
    run = make_run("a", "stopped")
    before, again = listen(), listen()
    feed.watch(run, before)
    before.wait()
    reader = feed._watched[run.path].watcher
    feed.unwatch(run, before)
    append(run, 90)
    feed.watch(run, again)
    while again.wait(max(1, len(again.heard))).state.step != 90:
        time.sleep(0.005)
    assert feed._watched[run.path].watcher is reader
    assert feed._cached == {}


def test_of_many_runs_the_last_few_are_remembered_and_a_new_one_of_the_name_is_read_anew(
    feed: Feed, make_run: MakeRun
) -> None:
    runs = [make_run(f"run-{number}", "stopped") for number in range(6)]
    listener = listen()
    for run in runs:
        feed.watch(run, listener)
        feed.unwatch(run, listener)
    assert [path.name for path in feed._cached] == ["run-2", "run-3", "run-4", "run-5"]
    reader = feed._cached[runs[5].path].watcher
    shutil.rmtree(runs[5].path)
    feed.watch(make_run("run-5", "completed", started=1.7e9), listener)
    assert feed._watched[runs[5].path].watcher is not reader


def test_a_log_is_parsed_once_for_its_screen_the_list_and_the_activity(
    feed: Feed, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def counted(line: bytes) -> Record:
        parsed.append(line)
        return decode(line)

    monkeypatch.setattr("wmse_tui.runs.log.reader.decode", counted)
    run = make_run("a", "running")
    screen, table = listen(), listen()
    feed.watch(run, screen)
    feed.watch_list(table)
    screen.wait()
    while table.wait(max(1, len(table.heard))).loading:
        time.sleep(0.005)
    append(run, 90)
    screen.wait(2)
    assert feed.activity(run)[-1].text.endswith("checkpoint  step-00000010.pt (9.8 MB, last)")
    assert parsed == run.events.read_bytes().splitlines()
    feed.unwatch(run, screen)
    assert feed.activity(run) == ()


def test_the_list_comes_at_once_and_again_when_a_run_appears(feed: Feed, make_run: MakeRun) -> None:
    make_run("a")
    listener = listen()
    feed.watch_list(listener)
    while (posted := listener.wait()).loading:
        listener.heard.clear()
    assert isinstance(posted, CatalogueChanged)
    assert [row.run_id for row in posted.rows] == ["a"]
    count = len(listener.heard)
    time.sleep(0.2)
    assert len(listener.heard) == count
    make_run("b", "stopped", started=1_772_366_500.0)
    feed.nudge()
    while len((posted := listener.heard[-1]).rows) < 2 or posted.loading:
        time.sleep(0.005)
    assert [row.run_id for row in posted.rows] == ["b", "a"]
    feed.unwatch_list(listener)


def test_while_many_logs_are_read_the_list_is_posted_now_and_then(
    feed: Feed, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        make_run(f"run-{number}")
    monkeypatch.setattr("wmse_tui.tui.feed._SLICE", 0.0)  # one log at a time
    feed.rates = replace(feed.rates, text=60.0)
    listener = listen()
    feed.watch_list(listener)
    while listener.wait(max(1, len(listener.heard))).loading:
        time.sleep(0.005)
    assert [(len(posted.rows), posted.loading) for posted in listener.heard] == [(1, 7), (8, 0)]


def test_what_came_while_frozen_is_posted_once_afterwards(feed: Feed, make_run: MakeRun) -> None:
    run = make_run("a", "stopped")
    listener = listen()
    feed.watch(run, listener)
    listener.wait()
    feed.freeze(True)
    for step in (90, 91, 92):
        append(run, step)
        time.sleep(0.05)
    assert len(listener.heard) == 1
    feed.freeze(False)
    assert listener.wait(2).state.step == 92
    time.sleep(0.1)
    assert len(listener.heard) == 2


def test_a_log_that_cannot_be_read_is_reported_and_read_again_once_it_can(
    feed: Feed, make_run: MakeRun
) -> None:
    run = make_run("a", "stopped")
    aside = run.path / "aside"
    run.events.rename(aside)
    run.events.mkdir()
    listener = listen()
    feed.watch(run, listener)
    posted = listener.wait()
    assert isinstance(posted, RunUnreadable)
    assert "cannot read the run's log" in posted.reason
    assert "events.jsonl" in posted.reason
    run.events.rmdir()
    aside.rename(run.events)
    back = listener.wait(2)
    if back.state.status == "new":  # it looked between the two, when there was no log at all
        back = listener.wait(3)
    assert back.state.status == "stopped"


def test_a_long_log_is_shown_early_and_in_a_few_steps(feed: Feed, runs_root: Path) -> None:
    run = make_long_run(runs_root, "day", epochs=1000)
    write_day(run, seconds=8_000, steps=95_000)
    listener = listen()
    feed.watch(run, listener)
    first = listener.wait()
    assert first.behind is not None
    assert 0 < first.state.step < 95_000
    while listener.heard[-1].behind is not None:
        time.sleep(0.005)
    assert listener.heard[-1].state.step == 95_000
    shares = [posted.behind for posted in listener.heard[:-1]]
    assert shares == sorted(shares)
    assert len(listener.heard) <= 8


def test_a_run_that_was_never_started_is_posted_too(feed: Feed, make_run: MakeRun) -> None:
    listener = listen()
    feed.watch(make_run("a", "new"), listener)
    assert listener.wait().state.status == "new"


def test_a_phase_alone_is_a_change(feed: Feed, make_run: MakeRun) -> None:
    run = make_run("a", "running")
    listener = listen()
    feed.watch(run, listener)
    listener.wait()
    with run.events.open("a") as file:
        file.write(encode(Record(1, 9999, time.time(), 1, Phase("evaluate"))) + "\n")
    phase = listener.wait(2).state.phase
    assert phase is not None
    assert phase.name == "evaluate"


def test_of_what_came_during_a_stall_the_newest_is_enough() -> None:
    run, other = RunDirectory(Path("/runs/a")), RunDirectory(Path("/runs/b"))
    old = RunChanged(run, RunState(step=1), None)
    assert old.can_replace(RunChanged(run, RunState(step=2), None))
    assert not old.can_replace(RunChanged(other, RunState(step=2), None))
    assert not old.can_replace(RunUnreadable(run, "gone"))
    assert CatalogueChanged((), 3).can_replace(CatalogueChanged((), 2))
    assert not CatalogueChanged((), 3).can_replace(old)
