"""Requests to the inspector process, and its answers, failures and exits as messages."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.app import App
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Static

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.tui.inspector import Inspected, InspectionFailed, InspectionProgress, Inspector

Until = Callable[[Pilot[Any], Callable[[], Any]], Any]

PROLOGUE = """
import json, os, sys, time
def send(number, **fields):
    print(json.dumps({"id": number, **fields}), flush=True)
def requests():
    for line in sys.stdin:
        request = json.loads(line)
        yield request["id"], request["ask"], request
"""
ANSWERING = """
for number, ask, request in requests():
    if request.get("wait"):
        continue
    send(number, progress={"name": "thinking", "done": 1, "total": 2, "unit": "thoughts"})
    send(number, answer=ask, config=request["config"], pid=os.getpid())
"""


APP = """
import psutil, time
from wmse_tui.tui.inspector import Inspector
class Listener:
    def post_message(self, message):
        [inspector] = psutil.Process().children()
        print(inspector.pid, flush=True)
Inspector().request("views", "no configuration", Listener())
time.sleep(60)
"""


class Listener(App[None]):
    """Records the messages that are posted to it."""

    def __init__(self, inspector: Inspector) -> None:
        super().__init__()
        self.inspector = inspector
        self.received: list[Message] = []

    def compose(self) -> Any:
        yield Static("text")

    def on_inspected(self, message: Inspected) -> None:
        self.received.append(message)

    def on_inspection_failed(self, message: InspectionFailed) -> None:
        self.received.append(message)

    def on_inspection_progress(self, message: InspectionProgress) -> None:
        self.received.append(message)

    def on_unmount(self) -> None:
        self.inspector.close()


def ids(app: Listener) -> list[tuple[str, int]]:
    return [(type(message).__name__, message.id) for message in app.received]  # type: ignore[attr-defined]


def app_with(program: str) -> Listener:
    return Listener(Inspector((sys.executable, "-c", PROLOGUE + program)))


@pytest.mark.asyncio
async def test_an_answer_is_posted_to_its_listener(until: Until) -> None:
    app = app_with(ANSWERING)
    async with app.run_test() as pilot:
        number = app.inspector.request("views", "seed: 1\n", app.query_one(Static), views=6)
        await until(pilot, lambda: len(app.received) == 2)
        progress, answer = app.received
    assert isinstance(progress, InspectionProgress)
    assert (progress.name, progress.done, progress.total, progress.unit) == ("thinking", 1, 2, "thoughts")
    assert isinstance(answer, Inspected)
    assert (answer.id, answer.kind, answer.answer["config"]) == (number, "views", "seed: 1\n")


@pytest.mark.asyncio
async def test_the_process_serves_the_next_request_and_ends_with_the_app(until: Until) -> None:
    app = app_with(ANSWERING)
    async with app.run_test() as pilot:
        for _ in range(2):
            number = app.inspector.request("views", "", app)
            await until(pilot, lambda: ("Inspected", number) in ids(app))  # noqa: B023  (waited for here)
        first, second = (message.answer["pid"] for message in app.received if isinstance(message, Inspected))
        assert first == second
        assert os.getpgid(first) == first  # the terminal's signals are not for it
    assert not psutil.pid_exists(first)


@pytest.mark.asyncio
async def test_only_the_newest_request_of_a_kind_is_answered(until: Until) -> None:
    answering_late = """
for number, ask, request in requests():
    if request["config"] == "first":
        late = number
        send(late, progress={"name": "begun", "done": 0, "total": 0, "unit": ""})
    else:
        send(late, progress={"name": "late", "done": 0, "total": 0, "unit": ""})
        send(late, answer=ask)
        send(number, answer=ask)
"""
    app = app_with(answering_late)
    async with app.run_test() as pilot:
        older = app.inspector.request("describe", "first", app)
        await until(pilot, lambda: ids(app) == [("InspectionProgress", older)])
        newer = app.inspector.request("describe", "second", app)
        other = app.inspector.request("views", "third", app)
        await until(pilot, lambda: len(app.received) == 3)
    assert ids(app)[1:] == [("Inspected", newer), ("Inspected", other)]


@pytest.mark.asyncio
async def test_a_cancelled_request_gets_no_message(until: Until) -> None:
    echoing = """
for number, ask, request in requests():
    if ask == "cancel":
        send(number, answer="measure")
        send(number, cancelled=True)
    elif ask == "views":
        send(number, answer=ask)
    else:
        send(number, progress={"name": "begun", "done": 0, "total": 0, "unit": ""})
"""
    app = app_with(echoing)
    async with app.run_test() as pilot:
        measuring = app.inspector.request("measure", "", app)
        await until(pilot, lambda: app.received)
        app.inspector.cancel(measuring)
        app.inspector.cancel(99)
        views = app.inspector.request("views", "", app)
        await until(pilot, lambda: len(app.received) == 2)
    assert ids(app) == [("InspectionProgress", measuring), ("Inspected", views)]


@pytest.mark.asyncio
async def test_an_inspector_that_dies_is_restarted_with_the_request(until: Until, tmp_path: Path) -> None:
    dying_once = f"""
mark = {str(tmp_path / "mark")!r}
for number, ask, request in requests():
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), 9)
    send(number, answer=ask)
"""
    app = app_with(dying_once)
    async with app.run_test() as pilot:
        number = app.inspector.request("views", "", app)
        await until(pilot, lambda: app.received)
        assert ids(app) == [("Inspected", number)]


@pytest.mark.asyncio
async def test_a_request_that_kills_it_twice_fails_with_the_end_of_stderr(until: Until) -> None:
    dying = """
for number, ask, request in requests():
    if ask == "views":
        send(number, answer=ask)
        continue
    print("a library said: \\x1b[31msegmentation", file=sys.stderr, flush=True)
    os.kill(os.getpid(), 9)
"""
    app = app_with(dying)
    async with app.run_test() as pilot:
        number = app.inspector.request("measure", "", app)
        await until(pilot, lambda: app.received)
        [failed] = app.received
        assert isinstance(failed, InspectionFailed)
        assert (failed.id, failed.kind) == (number, "measure")
        assert failed.title == "the inspector ended: killed by SIGKILL (out of memory, perhaps)"
        assert failed.detail == "a library said: \\x1b[31msegmentation"
        assert failed.next == ("`wmse-tui doctor` checks the installation",)
        views = app.inspector.request("views", "", app)  # the next request starts another process
        await until(pilot, lambda: ("Inspected", views) in ids(app))


@pytest.mark.asyncio
async def test_an_inspector_that_cannot_be_started_is_reported(until: Until, tmp_path: Path) -> None:
    app = Listener(Inspector((str(tmp_path / "nothing"),)))
    async with app.run_test() as pilot:
        app.inspector.request("describe", "", app)
        await until(pilot, lambda: app.received)
    [failed] = app.received
    assert isinstance(failed, InspectionFailed)
    assert (failed.title, failed.detail) == ("the inspector cannot be started", "No such file or directory")


@pytest.mark.asyncio
async def test_an_error_has_its_problems_and_invalid_lines_are_ignored(until: Until) -> None:
    erring = """
for number, ask, request in requests():
    for noise in ("", "noise", "[]", '{"id": []}', '{"answer": 1}', '{"id": null, "error": {}}'):
        print(noise, flush=True)
    send(number, surprise=True) if ask == "views" else send(number, error={
        "title": "no", "detail": "because", "next": ["do"], "traceback": "Traceback",
        "problems": [{"path": "seed", "message": "too large", "fix": "use less"}],
    })
"""
    app = app_with(erring)
    async with app.run_test() as pilot:
        app.inspector.request("describe", "", app)
        await until(pilot, lambda: app.received)
    [failed] = app.received
    assert isinstance(failed, InspectionFailed)
    assert (failed.title, failed.detail, failed.next) == ("no", "because", ("do",))
    assert failed.problems == (("seed", "too large", "use less"),)
    assert failed.traceback == "Traceback"


@pytest.mark.asyncio
async def test_large_requests_and_answers_do_not_deadlock(until: Until) -> None:
    app = app_with(ANSWERING)
    large = "x" * 1_000_000
    async with app.run_test() as pilot:
        app.inspector.request("describe", large, app)
        app.inspector.request("views", large, app)
        await until(pilot, lambda: sum(isinstance(message, Inspected) for message in app.received) == 2)
    answers = [message.answer["config"] for message in app.received if isinstance(message, Inspected)]
    assert answers == [large, large]


@pytest.mark.asyncio
async def test_closing_ends_a_process_that_will_not_end() -> None:
    ignoring = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), file=open(sys.argv[1] + ".new", "w"), flush=True)
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    time.sleep(60)
"""
    path = Path(os.environ["HOME"]) / "pid"
    inspector = Inspector((sys.executable, "-c", PROLOGUE + ignoring, str(path)))
    app = Listener(inspector)
    async with app.run_test() as pilot:
        inspector.request("views", "", app)
        while not path.exists():
            await pilot.pause(0.02)
        pid = int(path.read_text())
        inspector.close()
        assert not psutil.pid_exists(pid)
        inspector.request("views", "", app)  # after `close`: ignored
        inspector.close()
    assert app.received == []


def test_it_ends_with_an_app_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", APP], stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        inspector = int(app.stdout.readline())
        watcher = os.pidfd_open(inspector)
        app.kill()
    try:
        ended, _, _ = select.select([watcher], [], [], 20)
        assert ended
    finally:
        os.close(watcher)


@pytest.mark.asyncio
async def test_the_real_inspector_draws_views_of_an_experiment(until: Until) -> None:
    text = dump_experiment(load_experiment(preset="quickstart"))
    app = Listener(Inspector())
    async with app.run_test() as pilot:
        app.inspector.request("views", "method: {name: nothing}\n", app)
        app.inspector.request("views", text, app, images=2, views=2)
        before = time.monotonic()
        while not any(isinstance(message, Inspected) for message in app.received):
            assert time.monotonic() - before < 120
            await pilot.pause(0.05)
        answer = app.received[-1]
        assert isinstance(answer, Inspected)
        assert Path(answer.answer["path"]).read_bytes().startswith(b"\x89PNG")
        assert (answer.answer["rows"], answer.answer["columns"]) == (2, 3)
    assert not Path(answer.answer["path"]).parent.exists()
    assert any(isinstance(message, InspectionProgress) for message in app.received)
