r"""The lines between the app and the inspector: one JSON object each, UTF-8, ended by a line feed.

    to the inspector    {"id": 3, "ask": "views", "config": "<a complete YAML configuration>", ...}
                        {"id": 3, "ask": "cancel"}                                 request 3 is obsolete
    from the inspector  {"id": 3, "progress": {"name", "done", "total", "unit"}}   any number; total 0 unknown
                        {"id": 3, "answer": "views", ...}                          one of these three ends
                        {"id": 3, "error": {"title", "detail", "next": [...]}}     every request
                        {"id": 3, "cancelled": true}

A newer request of the same kind replaces an unanswered one, which is cancelled. Requests of different kinds
run beside each other. An error of a configuration has `problems` too (objects of `path`, `message` and
`fix`), one of the program itself `traceback`. A line that is no request is answered with id null. The fields
of the answers are described in `describe.py`, `measure.py` and `view_previews.py`.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from wmse_tui.engine.errors import EngineError

HANDLERS = {
    "describe": ("describe", "describe_experiment"),
    "measure": ("measure", "measure_run"),
    "views": ("view_previews", "preview_views"),
}
"""The module and the function that answer each kind of request."""

MAX_LINE = 1 << 20


class BadRequest(EngineError):
    """A line that is no request; `id` is the request's, where it could be read."""

    code = "E_REQUEST"

    def __init__(self, title: str, detail: str = "", *, id: int | None = None) -> None:  # noqa: A002
        super().__init__(title, detail)
        self.id = id


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of the app.

    Args:
        id: its number, from the app.
        ask: one of `HANDLERS`, or "cancel".
        config: the configuration's text; empty for "cancel".
        fields: all other fields of the line.
    """

    id: int
    ask: str
    config: str
    fields: Mapping[str, object]

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """The whole number called `name`.

        Raises:
            BadRequest: it is something else, or out of range.
        """
        value = self.fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadRequest(f"{name} must be a whole number from {low} to {high}", repr(value)[:60])
        return value


def read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream until its end; of one that is too long only the beginning."""
    while line := stream.readline(MAX_LINE):
        part = line
        while not part.endswith(b"\n") and (part := stream.readline(MAX_LINE)):
            pass
        if line.strip():
            yield line


def read_request(line: bytes) -> Request:
    """The request of a line.

    Raises:
        BadRequest: it is none.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest("a line is not JSON", str(error)) from None
    if not isinstance(value, dict):
        raise BadRequest("a line is no JSON object")
    number, ask, config = value.pop("id", None), value.pop("ask", None), value.pop("config", "")
    if isinstance(number, bool) or not isinstance(number, int):
        raise BadRequest("a request has no id", "it is a whole number")
    if ask not in (*HANDLERS, "cancel"):
        raise BadRequest(
            f"there is no request {ask!r:.60}", f"the requests are {', '.join(HANDLERS)}", id=number
        )
    if not isinstance(config, str):
        raise BadRequest("the configuration is no text", id=number)
    return Request(id=number, ask=ask, config=config, fields=value)


class AnswerWriter:
    """Writes answers from several threads. Once the reader has ended, lines are dropped."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, number: int | None, fields: Mapping[str, Any]) -> None:
        """Write one line about request `number`."""
        line = json.dumps({"id": number, **json_value(fields)}, allow_nan=False) + "\n"
        with self._lock, contextlib.suppress(OSError):
            unwritten = memoryview(line.encode())
            while unwritten:
                unwritten = unwritten[self._stream.write(unwritten) :]


def json_value(value: Any) -> Any:
    """`value` as JSON can hold it: a number that is not finite becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [json_value(item) for item in value]
    return value
