"""The header of every screen names what trains, and the end of a run is reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from events import read_log

from tests.tui.conftest import MakeApp, MakeRun
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Exit, Record
from wmse_tui.runs.state.status import STATUSES, Status
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.index import RunRow, run_row
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.run_news import in_short, in_tmux, news, running_parts, terminal_notification

Until = Callable[..., Awaitable[None]]


def row(status: Status, path: str = "/runs/a", **values: Any) -> RunRow:
    return RunRow(run_id="a", path=path, status=status, **values)


@pytest.mark.parametrize("status", STATUSES)
def test_every_end_of_an_active_run_is_news_and_nothing_else(status: Status) -> None:
    found = news({"/runs/a": "running"}, [row(status)])
    assert bool(found) == (status in ("crashed", "stopped", "diverged", "failed", "completed", "stalled"))
    assert not news({}, [row(status)]), "it was not seen before"
    assert not news({"/runs/a": status}, [row(status)])


@pytest.mark.parametrize("status", ["crashed", "stopped", "diverged", "failed", "completed"])
def test_a_run_that_trained_between_two_readings_of_the_list_is_news_once(status: Status) -> None:
    ended, before_start = row(status, ended=1000.0), {"/runs/a": status}
    without: list[dict[str, Status]] = [{}, {"/runs/a": "new"}, {"/runs/a": "queued"}]
    for earlier in without:
        assert news(earlier, [ended], since=990.0)
        assert not news(earlier, [ended], since=1010.0), "another app, or this one before, has reported it"
    trained: list[dict[str, Status]] = [{"/runs/a": "starting"}, {"/runs/a": "unknown"}]
    for earlier in trained:
        assert news(earlier, [row(status)], since=1010.0)
    assert not news(before_start, [ended], since=990.0)
    assert not news({}, [row("stalled")], since=0.0)


def test_many_ends_at_once_are_one_sentence() -> None:
    statuses: tuple[Status, ...] = ("completed", "failed", "completed")
    every = [row(status, f"/runs/{number}") for number, status in enumerate(statuses)]
    before: dict[str, Status] = {each.path: "running" for each in every}
    found = news(before, every)
    assert in_short(found) == found
    many = news({**before, "/runs/a": "running"}, [*every, row("stalled")])
    assert [(each.text, each.severity) for each in in_short(many)] == [
        ("4 runs: 2 completed, 1 failed, 1 stalled", "error")
    ]


def test_the_sentence_has_the_reason_and_the_accuracy() -> None:
    (failed,) = news({"/runs/a": "running"}, [row("failed", status_reason="no space \x1b[2J")])
    assert (failed.text, failed.severity) == ("a has failed: no space \\x1b[2J", "error")
    (done,) = news({"/runs/a": "paused"}, [row("completed", final_knn=0.864)])
    assert (done.text, done.severity) == ("a has completed, k-NN 86.40 %", "information")


def test_the_header_names_the_newest_run_that_trains(make_run: MakeRun) -> None:
    state = view_run(make_run("small", "running"))
    parts = running_parts([row("completed"), run_row(state), row("running", "/runs/b")], lambda _: state)
    assert parts[:2] == ("small", "50 %")
    between = row("running", epoch=2, epochs=4, step=11, total_steps=20)
    assert running_parts([between], lambda _: None)[1] == "55 %", "it moves with the steps"
    assert parts[2].endswith(" left")
    assert parts[3:] == ("k-NN 81.25 %", "+1")
    assert running_parts([row("completed")], lambda _: None) == ()


def test_a_notification_cannot_carry_another_sequence() -> None:
    assert terminal_notification("a;b\x07\x1b]52;", "osc9") == "\x1b]9;a,b\\x07\\x1b]52,\x07"
    assert terminal_notification("a", "osc777") == "\x1b]777;notify;wmse-tui;a\x07"
    for kind in ("osc9", "osc777"):
        plain = terminal_notification("a\x1b\\", kind)
        wrapped = terminal_notification("a\x1b\\", kind, tmux=True)
        assert wrapped.removeprefix("\x1bPtmux;").removesuffix("\x1b\\").replace("\x1b\x1b", "\x1b") == plain
    assert in_tmux({"TMUX": "/tmp/tmux-0/default,1,0"})
    assert in_tmux({"TERM": "tmux-256color"})
    assert not in_tmux({"TERM": "xterm-256color"})


@pytest.mark.asyncio
async def test_the_end_of_a_run_is_reported_on_another_screen(
    make_app: MakeApp,
    make_run: MakeRun,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    screen_text: Callable[[WmseApp], str],
) -> None:
    bells: list[int] = []
    monkeypatch.setattr(WmseApp, "bell", lambda _: bells.append(1))
    run = make_run("mine", "running")
    app = make_app(screen="paper", news=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "● mine  50 %" in screen_text(app).splitlines()[0])
        last = read_log(run.events)[-1]
        event = Exit(status="diverged", step=11, epoch=2, seconds=9.0)
        with run.events.open("a") as file:
            file.write(encode(Record(1, last.seq + 1, last.t + 1, last.attempt, event)) + "\n")
        await until(pilot, lambda: any("mine has diverged" in each.message for each in app.messages))
        assert bells
        await until(pilot, lambda: "●" not in screen_text(app).splitlines()[0])
