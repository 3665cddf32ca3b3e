"""The client of the inspector process: requests are sent as lines of JSON, answers arrive as messages.

The inspector is a process (`wmse_tui.engine.inspect`) because only torch knows the answers and the
app never loads torch. One thread starts it at the first request, writes to it and reads from it; the event
loop never waits. The process dies with that thread, so it cannot outlive the app.

The requests and the fields of their answers are documented in `describe.py`, `measure.py` and
`view_previews.py` of `engine/service`:

    describe    parameters, operations, memory of a step, the device; about a second, cached
    measure     real steps on this machine: seconds per step, hours of the run; up to twenty seconds
    views       a PNG of augmented views; tens of milliseconds once it is warm
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from textual.message import Message
from textual.message_pump import MessagePump

from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.tui.conversation import GRACE_SECONDS, Conversation, exit_text

RequestKind = Literal["describe", "measure", "views"]

ENDS = 2
"""A request during which the process has ended this often is dropped: it may be the cause."""


class Inspected(Message):
    """The answer to request `id`; its fields depend on `kind`."""

    def __init__(self, id: int, kind: str, answer: dict[str, Any]) -> None:  # noqa: A002
        super().__init__()
        self.id = id
        self.kind = kind
        self.answer = answer


class InspectionFailed(Message):
    """Request `id` failed.

    Args:
        id, kind: of the request.
        title, detail, next: what happened, the evidence, what the user can do.
        problems: of a configuration that cannot be run: path, message and fix of each.
        traceback: of a fault of this program, for a report; else empty.
    """

    def __init__(
        self,
        id: int,  # noqa: A002
        kind: str,
        title: str,
        detail: str = "",
        next: tuple[str, ...] = (),  # noqa: A002
        *,
        problems: tuple[tuple[str, str, str], ...] = (),
        traceback: str = "",
    ) -> None:
        super().__init__()
        self.id = id
        self.kind = kind
        self.title = title
        self.detail = detail
        self.next = next
        self.problems = problems
        self.traceback = traceback


class InspectionProgress(Message):
    """The progress of request `id`: the activity, done, total (0: not known) and the unit."""

    def __init__(self, id: int, kind: str, name: str, done: float, total: float, unit: str) -> None:  # noqa: A002
        super().__init__()
        self.id = id
        self.kind = kind
        self.name = name
        self.done = done
        self.total = total
        self.unit = unit


@dataclass(slots=True)
class _Request:
    id: int
    kind: str
    line: bytes
    listener: MessagePump
    ends: int = 0


class Inspector:
    """Sends requests to the inspector. All methods may be called from any thread; only `close` blocks.

    Args:
        command: starts the process; None: the inspector of this installation.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = command
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self._requests: dict[str, _Request] = {}  # the newest of each kind, while unanswered
        self._outbox: dict[str, bytes] = {}  # not sent yet, the newest of each kind
        self._thread: threading.Thread | None = None
        self._wake: int | None = None
        self._closed = False

    def request(self, kind: RequestKind, config_text: str, listener: MessagePump, **more: object) -> int:
        """Send a request about a complete configuration; returns its number.

        `listener` gets `InspectionProgress` any number of times, then `Inspected` or `InspectionFailed`. A
        newer request of the same kind replaces an older one, whose answer is dropped; messages that were
        posted before may still arrive, with the older number.

        Args:
            kind: of the request.
            config_text: YAML as `dump_experiment` writes it.
            listener: is posted to.
            more: further fields of the request, such as `views=6`.
        """
        number = next(self._numbers)
        line = _line({"id": number, "ask": kind, "config": config_text, **more})
        with self._guard:
            if self._closed:
                return number
            self._requests[kind] = _Request(number, kind, line, listener)
            self._send(kind, line)
        return number

    def cancel(self, number: int) -> None:
        """Drop a request: its listener gets no further message of it."""
        with self._guard:
            for kind, request in self._requests.items():
                if request.id == number:
                    del self._requests[kind]
                    if self._outbox.pop(kind, None) is None:
                        self._send("cancel", _line({"id": number, "ask": "cancel"}))
                    return

    def close(self) -> None:
        """End the process, within a second."""
        with self._guard:
            self._closed = True
            self._requests.clear()
            thread = self._thread
            self._ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * GRACE_SECONDS)

    def _send(self, key: str, line: bytes) -> None:
        """Queue a line, and start the thread if there is none; called with the lock held."""
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
        """Start the process, serve it until it ends, and repeat while there are requests."""
        bell, wake = os.pipe()
        os.set_blocking(wake, False)
        try:
            while True:
                with self._guard:
                    if self._closed or not self._requests:
                        self._thread = self._wake = None
                        return
                    self._wake = wake
                    self._outbox = {kind: request.line for kind, request in self._requests.items()}
                self._serve(bell)
        finally:
            os.close(bell)
            os.close(wake)

    def _serve(self, bell: int) -> None:
        """One process, from its start to its end."""
        own = interpreter_command("wmse_tui.engine.inspect", "--parent", str(os.getpid()))
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
        """Count an end of the process; fail the requests that have seen `ends` of them."""
        with self._guard:
            for request in self._requests.values():
                request.ends += 1
            failed = [each for each in self._requests.values() if each.ends >= ends]
            for request in failed:
                del self._requests[request.kind]
        steps = ("`wmse-tui doctor` checks the installation",)
        for request in failed:
            _post(request, InspectionFailed(request.id, request.kind, title, detail, steps))

    def _take_outbox(self) -> bytes:
        with self._guard:
            lines = b"".join(self._outbox.values())
            self._outbox.clear()
        return lines

    def _receive(self, line: bytes) -> None:
        """Post what a line contains, if its request is still open."""
        try:
            fields = json.loads(line)
            number = fields.pop("id")
        except (ValueError, KeyError, AttributeError, TypeError):
            return  # not a line of the protocol
        with self._guard:
            found = [each for each in self._requests.values() if each.id == number]
            if not found:
                return
            request = found[0]
            if "progress" not in fields:
                del self._requests[request.kind]
        message = _message(request, fields)
        if message is not None:
            _post(request, message)


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _message(request: _Request, fields: Mapping[str, Any]) -> Message | None:
    match fields:
        case {"progress": {"name": str(name), "done": done, "total": total, "unit": str(unit)}}:
            return InspectionProgress(request.id, request.kind, name, done, total, unit)
        case {"answer": str(), **answer}:
            return Inspected(request.id, request.kind, answer)
        case {"error": dict(error)}:
            return _failure(request, error)
    return None


def _failure(request: _Request, error: Mapping[str, Any]) -> InspectionFailed:
    return InspectionFailed(
        request.id,
        request.kind,
        str(error.get("title", "")),
        str(error.get("detail", "")),
        tuple(map(str, error.get("next", ()))),
        problems=tuple(
            (str(each["path"]), str(each["message"]), str(each["fix"])) for each in error.get("problems", ())
        ),
        traceback=str(error.get("traceback", "")),
    )


def _post(request: _Request, message: Message) -> None:
    with contextlib.suppress(RuntimeError):  # the app has just ended
        request.listener.post_message(message)
