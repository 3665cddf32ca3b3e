"""The JSON lines of a command that the engine runs in a process of its own, and the errors among them.

    {"progress": {"name", "done", "total", "unit"}}     any number of times
    {"result": {...}}                                   then either this, with exit code 0,
    {"error": {"code", "title", "detail", "next"}}      or this, with exit code 1

What any library prints goes to stderr. The inspector, which answers one request after the other, has lines of
its own (`service/protocol.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, NoReturn

from wmse_tui.engine.errors import EngineError

PROGRESS_SECONDS = 0.2
CONTAINER_OPTIONS = frozenset({"--shm-size", "--ipc"})
"""Options in a next step that are the container engine's, not a command's."""
_KEY = re.compile(r"--set ([a-z_]+(?:\.[a-z_]+)*)=")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")

Write = Callable[[Mapping[str, Any]], None]
"""Writes one line."""


class UsageError(EngineError):
    """The arguments of a command make no sense."""

    code = "E_USAGE"


class ArgumentParser(argparse.ArgumentParser):
    """A parser of arguments that raises UsageError."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("invalid command line", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How the errors of a command name it and what a person can do.

    Args:
        name: what failed when the error is unforeseen, such as "evaluation".
        options: those of its own that a next step may name; a step that names another one is left out.
        wording: parts of a trainer's next step, and the text of this command instead; a step of which nothing
            remains is left out.
        keys: options of the configuration that its --set accepts; a step that sets another one is left out.
            None: all.
    """

    name: str
    options: frozenset[str]
    wording: Mapping[str, str] = field(default_factory=dict)
    keys: Collection[str] | None = None


def run_command(command: Command, work: Callable[[Write], Mapping[str, Any]]) -> int:
    """Write the lines of a command to stdout; returns the exit code.

    Args:
        work: computes the result; its argument writes lines of progress.
    """
    stdout = sys.stdout

    def write(fields: Mapping[str, Any]) -> None:
        stdout.write(json.dumps(fields) + "\n")
        stdout.flush()

    try:
        try:
            with redirect_stdout(sys.stderr):
                result = work(write)
            write({"result": result})
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001  every failure becomes one object
            write({"error": error_object(error, command)})
            return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        return 1
    return 0


def error_object(error: BaseException, command: Command) -> dict[str, Any]:
    """A command's error: code, title, detail, next. The traceback of an unforeseen one goes to stderr."""
    from wmse_tui.engine.training.failures import error_event

    event = error_event(error, saved="", stage="start")
    if event.code == "E_INTERNAL" and not isinstance(error, EngineError):
        traceback.print_exception(error, file=sys.stderr)
        title = f"the {command.name} failed: {type(error).__name__}"
        return {"code": event.code, "title": title, "detail": event.detail, "next": []}
    steps = (_next_step(step, command) for step in event.next)
    return {
        "code": event.code,
        "title": event.title,
        "detail": event.detail,
        "next": [step for step in steps if step],
    }


def options_in(text: str) -> set[str]:
    """The command-line options that a text names, but for a container engine's."""
    return set(_OPTION.findall(text)) - CONTAINER_OPTIONS


def keys_in(text: str) -> set[str]:
    """The options of the configuration that a text sets: `--set dataset.root=...`."""
    return set(_KEY.findall(text))


def _next_step(step: str, command: Command) -> str:
    for trained, own in command.wording.items():
        if trained in step:
            step = step.replace(trained, own) if own else ""
    settable = command.keys is None or keys_in(step) <= set(command.keys)
    return step if settable and options_in(step) <= command.options else ""


class Throttle:
    """Limits lines of progress: the first and the last of each part, and in between a few a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._name, self._time = "", float("-inf")

    def due(self, name: str, done: float, total: float) -> bool:
        """Whether to report now that `done` of `total` (0: not known) of the part `name` is done."""
        now = self._clock()
        if name == self._name and not 0 < total == done and now - self._time < PROGRESS_SECONDS:
            return False
        self._name, self._time = name, now
        return True


def progress_lines(
    write: Write, *, clock: Callable[[], float] = time.monotonic
) -> Callable[[str, float, float, str], None]:
    """A receiver of progress (name, done, total, unit) that writes it as lines, a few a second."""
    throttle = Throttle(clock)

    def progress(name: str, done: float, total: float, unit: str) -> None:
        if throttle.due(name, done, total):
            write({"progress": {"name": name, "done": done, "total": total, "unit": unit}})

    return progress
