"""Requests to a trainer: small files in `control/`, each answered in the log and deleted.

A file appears whole (by rename) under a name that sorts by time. The sender never waits, and no request is
lost: the trainer reads them between two steps.
"""

from __future__ import annotations

import json
import secrets
import stat
import time as clock
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from wmse_tui.config.atomic import publish
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import ControlError, StorageError
from wmse_tui.runs.log.events import Number

COMMANDS = ("stop", "stop_after_epoch", "checkpoint", "evaluate", "pause", "resume")
_LARGEST = 64 * 1024  # bytes of a request; a larger file is refused


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One request. Where `problem` is not empty it cannot be obeyed: answer "refused", with that text."""

    id: str
    command: str
    argument: str | None = None
    by: str = ""
    time: Number = 0.0  # unix seconds
    problem: str = ""


_REQUEST: TypeAdapter[ControlRequest] = TypeAdapter(ControlRequest)


def request(run: RunDirectory, command: str, argument: str | None = None, by: str = "cli") -> str:
    """Write a request; the id under which the log will answer it.

    Raises:
        ControlError: no trainer knows the command.
        StorageError: it cannot be written.
    """
    if command not in COMMANDS:
        raise ControlError(f"a trainer knows no command {command!r}", f"it knows {', '.join(COMMANDS)}")
    now = clock.time_ns()
    name = f"{now:020d}-{secrets.token_hex(4)}"
    values = {"id": name, "command": command, "argument": argument, "by": by, "time": now / 1e9}
    path = run.control / f"{name}.json"
    try:
        publish(path, json.dumps(values).encode())
    except OSError as error:
        raise StorageError.of("write a request to the run", path, error) from error
    return name


def pending(run: RunDirectory) -> tuple[ControlRequest, ...]:
    """The requests that no trainer has claimed, oldest first. A file that is none has a `problem`."""
    try:
        names = sorted(path.name for path in run.control.glob("[!.]*.json"))
    except OSError:
        return ()
    found = (_read(run.control / name) for name in names)
    return tuple(request for request in found if request is not None)


def claim(run: RunDirectory, request: ControlRequest) -> bool:
    """Delete a request, before obeying it; False where it was deleted already or cannot be."""
    try:
        (run.control / f"{request.id}.json").unlink()
    except OSError:
        return False
    return True


def discard(run: RunDirectory) -> tuple[ControlRequest, ...]:
    """Delete the requests that an earlier attempt left unanswered; they do not concern the next one."""
    return tuple(request for request in pending(run) if claim(run, request))


def _read(path: Path) -> ControlRequest | None:
    """The request in `path`; None where it was deleted or is no plain file. Its id is the file's name."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > _LARGEST:
            return ControlRequest(
                path.stem, "", problem=f"the file of the request is larger than {_LARGEST} bytes"
            )
        values = json.loads(path.read_bytes())
        if isinstance(values, dict):
            values = {**values, "id": path.stem, "problem": ""}
        request = _REQUEST.validate_python(values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        reason = "JSON object with id, command, argument, by and time"
        return ControlRequest(
            path.stem, "", problem=f"the request cannot be read ({type(error).__name__}): {reason} expected"
        )
    if request.command not in COMMANDS:
        known = ", ".join(COMMANDS)
        problem = f"no such command: {request.command!r}; there are {known}"
        return ControlRequest(
            request.id, request.command, request.argument, request.by, request.time, problem
        )
    return request
