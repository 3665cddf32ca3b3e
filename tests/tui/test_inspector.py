"""The app asks and goes on; answers, failures and silence of the inspector come as messages or not at all."""

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
def say(number, **fields):
    print(json.dumps({"id": number, **fields}), flush=True)
def requests():
    for line in sys.stdin:
        request = json.loads(line)
        yield request["id"], request["ask"], request
"""
OBEDIENT = """
for number, ask, request in requests():
    if request.get("wait"):
        continue
    say(number, progress={"name": "thinking", "done": 1, "total": 2, "unit": "thoughts"})
    say(number, answer=ask, config=request["config"], pid=os.getpid())
"""


APP = """
import psutil, time
from wmse_tui.tui.inspector import Inspector
class Listener:
    def post_message(self, message):
        [inspector] = psutil.Process().children()
        print(inspector.pid, flush=True)
Inspector().ask("views", "no configuration", Listener())
time.sleep(60)
"""


class Listener(App[None]):
    """Remembers what it is posted."""

    def __init__(self, inspector: Inspector) -> None:
        super().__init__()
        self.inspector = inspector
        self.heard: list[Message] = []

    def compose(self) -> Any:
        yield Static("quiet")

    def on_inspected(self, message: Inspected) -> None:
        self.heard.append(message)

    def on_inspection_failed(self, message: InspectionFailed) -> None:
        self.heard.append(message)

    def on_inspection_progress(self, message: InspectionProgress) -> None:
        self.heard.append(message)

    def on_unmount(self) -> None:
        self.inspector.close()


def told(app: Listener) -> list[tuple[str, int]]:
    return [(type(message).__name__, message.id) for message in app.heard]  # type: ignore[attr-defined]


def listening_to(program: str) -> Listener:
    return Listener(Inspector((sys.executable, "-c", PROLOGUE + program)))


@pytest.mark.asyncio
async def test_an_answer_reaches_whoever_asked(until: Until) -> None:
    app = listening_to(OBEDIENT)
    async with app.run_test() as pilot:
        number = app.inspector.ask("views", "seed: 1\n", app.query_one(Static), views=6)
        await until(pilot, lambda: len(app.heard) == 2)
        progress, answer = app.heard
    assert isinstance(progress, InspectionProgress)
    assert (progress.name, progress.done, progress.total, progress.unit) == ("thinking", 1, 2, "thoughts")
    assert isinstance(answer, Inspected)
    assert (answer.id, answer.ask, answer.answer["config"]) == (number, "views", "seed: 1\n")


@pytest.mark.asyncio
async def test_the_process_is_kept_for_the_next_question_and_ends_with_the_app(until: Until) -> None:
    app = listening_to(OBEDIENT)
    async with app.run_test() as pilot:
        for _ in range(2):
            number = app.inspector.ask("views", "", app)
            await until(pilot, lambda: ("Inspected", number) in told(app))  # noqa: B023  (waited for here)
        first, second = (message.answer["pid"] for message in app.heard if isinstance(message, Inspected))
        assert first == second
        assert os.getpgid(first) == first  # the terminal's signals are not for it
    assert not psutil.pid_exists(first)


@pytest.mark.asyncio
async def test_only_the_newest_question_of_a_kind_is_answered(until: Until) -> None:
    answering_late = """
for number, ask, request in requests():
    if request["config"] == "first":
        late = number
        say(late, progress={"name": "begun", "done": 0, "total": 0, "unit": ""})
    else:
        say(late, progress={"name": "late", "done": 0, "total": 0, "unit": ""})
        say(late, answer=ask)
        say(number, answer=ask)
"""
    app = listening_to(answering_late)
    async with app.run_test() as pilot:
        older = app.inspector.ask("describe", "first", app)
        await until(pilot, lambda: told(app) == [("InspectionProgress", older)])
        newer = app.inspector.ask("describe", "second", app)
        other = app.inspector.ask("views", "third", app)
        await until(pilot, lambda: len(app.heard) == 3)
    assert told(app)[1:] == [("Inspected", newer), ("Inspected", other)]


@pytest.mark.asyncio
async def test_a_cancelled_question_is_heard_of_no_more(until: Until) -> None:
    echoing = """
for number, ask, request in requests():
    if ask == "cancel":
        say(number, answer="measure")
        say(number, cancelled=True)
    elif ask == "views":
        say(number, answer=ask)
    else:
        say(number, progress={"name": "begun", "done": 0, "total": 0, "unit": ""})
"""
    app = listening_to(echoing)
    async with app.run_test() as pilot:
        measuring = app.inspector.ask("measure", "", app)
        await until(pilot, lambda: app.heard)
        app.inspector.cancel(measuring)
        app.inspector.cancel(99)
        views = app.inspector.ask("views", "", app)
        await until(pilot, lambda: len(app.heard) == 2)
    assert told(app) == [("InspectionProgress", measuring), ("Inspected", views)]


@pytest.mark.asyncio
async def test_an_inspector_that_dies_is_started_once_more_with_the_question(
    until: Until, tmp_path: Path
) -> None:
    dying_once = f"""
mark = {str(tmp_path / "mark")!r}
for number, ask, request in requests():
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), 9)
    say(number, answer=ask)
"""
    app = listening_to(dying_once)
    async with app.run_test() as pilot:
        number = app.inspector.ask("views", "", app)
        await until(pilot, lambda: app.heard)
        assert told(app) == [("Inspected", number)]


@pytest.mark.asyncio
async def test_a_question_that_kills_it_twice_is_given_up_with_its_last_words(until: Until) -> None:
    dying = """
for number, ask, request in requests():
    if ask == "views":
        say(number, answer=ask)
        continue
    print("a library said: \\x1b[31msegmentation", file=sys.stderr, flush=True)
    os.kill(os.getpid(), 9)
"""
    app = listening_to(dying)
    async with app.run_test() as pilot:
        number = app.inspector.ask("measure", "", app)
        await until(pilot, lambda: app.heard)
        [failed] = app.heard
        assert isinstance(failed, InspectionFailed)
        assert (failed.id, failed.ask) == (number, "measure")
        assert failed.title == "the inspector ended: killed by SIGKILL (out of memory, perhaps)"
        assert failed.detail == "a library said: \\x1b[31msegmentation"
        assert failed.next == ("`wmse-tui doctor` checks the installation",)
        views = app.inspector.ask("views", "", app)  # and the next question finds a living one
        await until(pilot, lambda: ("Inspected", views) in told(app))


@pytest.mark.asyncio
async def test_an_inspector_that_cannot_be_started_is_told(until: Until, tmp_path: Path) -> None:
    app = Listener(Inspector((str(tmp_path / "nothing"),)))
    async with app.run_test() as pilot:
        app.inspector.ask("describe", "", app)
        await until(pilot, lambda: app.heard)
    [failed] = app.heard
    assert isinstance(failed, InspectionFailed)
    assert (failed.title, failed.detail) == ("the inspector cannot be started", "No such file or directory")


@pytest.mark.asyncio
async def test_an_error_comes_with_its_problems_and_what_is_no_line_is_passed_over(until: Until) -> None:
    erring = """
for number, ask, request in requests():
    for noise in ("", "noise", "[]", '{"id": []}', '{"answer": 1}', '{"id": null, "error": {}}'):
        print(noise, flush=True)
    say(number, surprise=True) if ask == "views" else say(number, error={
        "title": "no", "detail": "because", "next": ["do"], "traceback": "Traceback",
        "problems": [{"path": "seed", "message": "too large", "fix": "use less"}],
    })
"""
    app = listening_to(erring)
    async with app.run_test() as pilot:
        app.inspector.ask("describe", "", app)
        await until(pilot, lambda: app.heard)
    [failed] = app.heard
    assert isinstance(failed, InspectionFailed)
    assert (failed.title, failed.detail, failed.next) == ("no", "because", ("do",))
    assert failed.problems == (("seed", "too large", "use less"),)
    assert failed.traceback == "Traceback"


@pytest.mark.asyncio
async def test_large_questions_and_answers_pass_while_neither_side_waits(until: Until) -> None:
    app = listening_to(OBEDIENT)
    large = "x" * 1_000_000
    async with app.run_test() as pilot:
        app.inspector.ask("describe", large, app)
        app.inspector.ask("views", large, app)
        await until(pilot, lambda: sum(isinstance(message, Inspected) for message in app.heard) == 2)
    answers = [message.answer["config"] for message in app.heard if isinstance(message, Inspected)]
    assert answers == [large, large]


@pytest.mark.asyncio
async def test_closing_ends_a_process_that_will_not_end() -> None:
    deaf = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), file=open(sys.argv[1] + ".new", "w"), flush=True)
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    time.sleep(60)
"""
    path = Path(os.environ["HOME"]) / "pid"
    inspector = Inspector((sys.executable, "-c", PROLOGUE + deaf, str(path)))
    app = Listener(inspector)
    async with app.run_test() as pilot:
        inspector.ask("views", "", app)
        while not path.exists():
            await pilot.pause(0.02)
        pid = int(path.read_text())
        inspector.close()
        assert not psutil.pid_exists(pid)
        inspector.ask("views", "", app)  # too late, and nothing happens
        inspector.close()
    assert app.heard == []


def test_it_is_gone_with_an_app_that_is_killed() -> None:
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
async def test_the_real_one_shows_views_of_an_experiment(until: Until) -> None:
    text = dump_experiment(load_experiment(preset="quickstart"))
    app = Listener(Inspector())
    async with app.run_test() as pilot:
        app.inspector.ask("views", "method: {name: nothing}\n", app)
        app.inspector.ask("views", text, app, images=2, views=2)
        before = time.monotonic()
        while not any(isinstance(message, Inspected) for message in app.heard):
            assert time.monotonic() - before < 120
            await pilot.pause(0.05)
        answer = app.heard[-1]
        assert isinstance(answer, Inspected)
        assert Path(answer.answer["path"]).read_bytes().startswith(b"\x89PNG")
        assert (answer.answer["rows"], answer.answer["columns"]) == (2, 3)
    assert not Path(answer.answer["path"]).parent.exists()
    assert any(isinstance(message, InspectionProgress) for message in app.heard)
