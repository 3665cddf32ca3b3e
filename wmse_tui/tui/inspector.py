"""The client of the inspector process: questions are sent as lines, answers arrive as messages.

The inspector is a process (`python -m wmse_tui.engine.inspect`) because only torch knows the answers and the
app never loads torch. One thread starts it at the first question, writes, reads and waits; the event loop
never does. The process dies with that thread, so it cannot outlive the app.

What may be asked, and the fields of the answers, are described at the engine's end, in `describe.py`,
`measure.py` and `view_previews.py` of `engine/service`:

    describe    parameters, operations, memory of a step, the device; about a second, remembered
    measure     real steps on this machine: seconds per step, hours of the run; up to twenty seconds
    views       a PNG of augmented views; tens of milliseconds once it is warm
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from textual.message import Message
from textual.message_pump import MessagePump

from wmse_tui.tui.conversation import GRACE_SECONDS, Conversation, exit_text

Ask = Literal["describe", "measure", "views"]

ENDS = 2
"""A question during which the process has ended so often is dropped: it may be the cause."""


class Inspected(Message):
    """The answer to question `id`: the fields that `ask` has."""

    def __init__(self, id: int, ask: str, answer: dict[str, Any]) -> None:  # noqa: A002
        super().__init__()
        self.id = id
        self.ask = ask
        self.answer = answer


class InspectionFailed(Message):
    """There is no answer to question `id`.

    Args:
        id, ask: the question.
        title, detail, next: what happened, the evidence, what a person can do.
        problems: of a configuration that cannot be run: path, message and fix of each.
        traceback: of a fault of this program, for a report; else empty.
    """

    def __init__(
        self,
        id: int,  # noqa: A002
        ask: str,
        title: str,
        detail: str = "",
        next: tuple[str, ...] = (),  # noqa: A002
        *,
        problems: tuple[tuple[str, str, str], ...] = (),
        traceback: str = "",
    ) -> None:
        super().__init__()
        self.id = id
        self.ask = ask
        self.title = title
        self.detail = detail
        self.next = next
        self.problems = problems
        self.traceback = traceback


class InspectionProgress(Message):
    """How far question `id` is: what is being done, done, total (0: not known) and the unit."""

    def __init__(self, id: int, ask: str, name: str, done: float, total: float, unit: str) -> None:  # noqa: A002
        super().__init__()
        self.id = id
        self.ask = ask
        self.name = name
        self.done = done
        self.total = total
        self.unit = unit


@dataclass(slots=True)
class _Question:
    id: int
    ask: str
    line: bytes
    listener: MessagePump
    ends: int = 0


class Inspector:
    """Asks the inspector. Every method may be called from any thread and returns at once, but for `close`.

    Args:
        command: starts the process; None: the inspector of this installation.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = command
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self._questions: dict[str, _Question] = {}  # the newest of each kind, while unanswered
        self._outbox: dict[str, bytes] = {}  # what the process has not been sent yet, the newest of each kind
        self._thread: threading.Thread | None = None
        self._wake: int | None = None
        self._closed = False

    def ask(self, ask: Ask, config_text: str, listener: MessagePump, **more: object) -> int:
        """Ask about a complete configuration; returns the question's number.

        `listener` gets `InspectionProgress` any number of times, then `Inspected` or `InspectionFailed`. A
        newer question of the same kind replaces an older one, whose answer is dropped; what had
        been posted before that may still arrive, with the older number.

        Args:
            ask: the kind of question.
            config_text: YAML as `dump_experiment` writes it.
            listener: is posted to.
            more: further fields of the question, such as `views=6`.
        """
        number = next(self._numbers)
        line = _line({"id": number, "ask": ask, "config": config_text, **more})
        with self._guard:
            if self._closed:
                return number
            self._questions[ask] = _Question(number, ask, line, listener)
            self._send(ask, line)
        return number

    def cancel(self, number: int) -> None:
        """Drop a question: its listener gets no further message of it."""
        with self._guard:
            for ask, question in self._questions.items():
                if question.id == number:
                    del self._questions[ask]
                    if self._outbox.pop(ask, None) is None:
                        self._send("cancel", _line({"id": number, "ask": "cancel"}))
                    return

    def close(self) -> None:
        """End the process, within a second."""
        with self._guard:
            self._closed = True
            self._questions.clear()
            thread = self._thread
            self._ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * GRACE_SECONDS)

    def _send(self, key: str, line: bytes) -> None:
        """With the lock held: have a line written, by a new thread if there is none."""
        if key == "cancel":
            line = self._outbox.get(key, b"") + line
        self._outbox[key] = line
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="inspector", daemon=True)
            self._thread.start()
        self._ring()

    def _ring(self) -> None:
        if self._wake is not None:
            with contextlib.suppress(OSError):
                os.write(self._wake, b"!")

    # In the thread

    def _work(self) -> None:
        """Start the process, serve it until it ends, and again while there are questions."""
        bell, wake = os.pipe()
        os.set_blocking(wake, False)
        try:
            while True:
                with self._guard:
                    if self._closed or not self._questions:
                        self._thread = self._wake = None
                        return
                    self._wake = wake
                    self._outbox = {ask: question.line for ask, question in self._questions.items()}
                self._serve(bell)
        finally:
            os.close(bell)
            os.close(wake)

    def _serve(self, bell: int) -> None:
        """One process, from its start to its end."""
        # -P: modules in the current folder are not ours
        own = (sys.executable, "-P", "-m", "wmse_tui.engine.inspect", "--parent", str(os.getpid()))
        try:
            conversation = Conversation(
                self._command or own,
                bell,
                outbox=self._take_outbox,
                receive=self._receive,
                closed=lambda: self._closed,
            )
        except OSError as error:
            self._count_end("the inspector cannot be started", error.strerror or str(error), ends=0)
            return
        status, stderr_tail = conversation.run()
        self._count_end(f"the inspector ended: {exit_text(status)}", stderr_tail, ends=ENDS)

    def _count_end(self, title: str, detail: str, *, ends: int) -> None:
        """Count an end of the process; fail the questions that have seen `ends` of them."""
        with self._guard:
            for question in self._questions.values():
                question.ends += 1
            failed = [each for each in self._questions.values() if each.ends >= ends]
            for question in failed:
                del self._questions[question.ask]
        steps = ("`wmse-tui doctor` checks the installation",)
        for question in failed:
            _post(question, InspectionFailed(question.id, question.ask, title, detail, steps))

    def _take_outbox(self) -> bytes:
        with self._guard:
            lines = b"".join(self._outbox.values())
            self._outbox.clear()
        return lines

    def _receive(self, line: bytes) -> None:
        """Post what a line contains, if its question is still open."""
        try:
            fields = json.loads(line)
            number = fields.pop("id")
        except (ValueError, KeyError, AttributeError, TypeError):
            return  # no line of ours
        with self._guard:
            found = [each for each in self._questions.values() if each.id == number]
            if not found:
                return
            question = found[0]
            if "progress" not in fields:
                del self._questions[question.ask]
        message = _message(question, fields)
        if message is not None:
            _post(question, message)


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _message(question: _Question, fields: Mapping[str, Any]) -> Message | None:
    match fields:
        case {"progress": {"name": str(name), "done": done, "total": total, "unit": str(unit)}}:
            return InspectionProgress(question.id, question.ask, name, done, total, unit)
        case {"answer": str(), **answer}:
            return Inspected(question.id, question.ask, answer)
        case {"error": dict(error)}:
            return _failure(question, error)
    return None


def _failure(question: _Question, error: Mapping[str, Any]) -> InspectionFailed:
    return InspectionFailed(
        question.id,
        question.ask,
        str(error.get("title", "")),
        str(error.get("detail", "")),
        tuple(map(str, error.get("next", ()))),
        problems=tuple(
            (str(each["path"]), str(each["message"]), str(each["fix"])) for each in error.get("problems", ())
        ),
        traceback=str(error.get("traceback", "")),
    )


def _post(question: _Question, message: Message) -> None:
    with contextlib.suppress(RuntimeError):  # the app has just ended
        question.listener.post_message(message)
