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
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import ControlError, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.run_folder import SMALL, RunFolder, publish_file, remove_file

if TYPE_CHECKING:
    from pydantic import TypeAdapter

COMMANDS = ("stop", "stop_after_epoch", "checkpoint", "evaluate", "pause", "resume")


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One request. Where `problem` is not empty it cannot be obeyed: answer "refused", with that text."""

    id: str
    command: str
    argument: str | None = None
    by: str = ""
    time: float = 0.0  # unix seconds
    problem: str = ""

    __pydantic_config__: ClassVar = {"allow_inf_nan": False}


@cache
def _adapter() -> TypeAdapter[ControlRequest]:
    from pydantic import TypeAdapter  # half of the start of a waiting process, which discards requests

    return TypeAdapter(ControlRequest)


def request(run: RunDirectory, command: str, argument: str | None = None, by: str = "cli") -> str:
    """Write a request; the id under which the log will answer it.

    Raises:
        ControlError: no trainer knows the command.
        NotARun, ForeignRun: the run is not this user's.
        StorageError: it cannot be written.
    """
    if command not in COMMANDS:
        raise ControlError(f"a trainer knows no command {command!r}", f"it knows {', '.join(COMMANDS)}")
    require_own(run)
    now = clock.time_ns()
    name = f"{now:020d}-{secrets.token_hex(4)}"
    values = {"id": name, "command": command, "argument": argument, "by": by, "time": now / 1e9}
    path = run.control / f"{name}.json"
    try:
        publish_file(path, json.dumps(values).encode())
    except OSError as error:
        raise StorageError.of("write a request to the run", path, error) from error
    return name


def pending(run: RunDirectory) -> tuple[ControlRequest, ...]:
    """The requests that no trainer has claimed, oldest first. A file that is none has a `problem`."""
    try:
        with RunFolder(run.control) as folder:
            names = sorted(name for name in folder.names() if name.endswith(".json") and name[0] != ".")
            found = [_read(folder, name) for name in names]
    except OSError:
        return ()
    return tuple(request for request in found if request is not None)


def claim(run: RunDirectory, request: ControlRequest) -> bool:
    """Delete a request, before obeying it; False where it was deleted already or cannot be."""
    try:
        return remove_file(run.control / f"{request.id}.json")
    except OSError:
        return False


def discard(run: RunDirectory) -> tuple[ControlRequest, ...]:
    """Delete the requests that an earlier attempt left unanswered; they do not concern the next one."""
    return tuple(request for request in pending(run) if claim(run, request))


def _read(folder: RunFolder, name: str) -> ControlRequest | None:
    """The request in a file; None where it was deleted or is no plain file. Its id is the file's name."""
    request_id = name.removesuffix(".json")
    try:
        if not stat.S_ISREG((about := folder.status(name)).st_mode):
            return None
        if about.st_size > SMALL:
            return ControlRequest(
                request_id, "", problem=f"the file of the request is larger than {SMALL} bytes"
            )
        values = json.loads(folder.read(name))
        if isinstance(values, dict):
            values = {**values, "id": request_id, "problem": ""}
        request = _adapter().validate_python(values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = "JSON object with id, command, argument, by and time"
        return ControlRequest(
            request_id, "", problem=f"the request cannot be read ({type(error).__name__}): {reason} expected"
        )
    if request.command not in COMMANDS:
        known = ", ".join(COMMANDS)
        problem = f"no such command: {request.command!r}; there are {known}"
        return ControlRequest(
            request.id, request.command, request.argument, request.by, request.time, problem
        )
    return request
