"""The words on stderr: narration, and the one form that every error a person caused takes.

    wmse-tui: no run is called 'stl-a'
      Runs are looked for in /home/me/.local/share/wmse-tui/runs.
      -> did you mean stl10-a?

stdout is for data and stays untouched here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from wmse_tui.cli.exits import ExitCode


@dataclass
class UserError(Exception):
    """Something a person asked for cannot be done: what, where, what was expected, what to do.

    Args:
        title: what happened, in one line.
        detail: where and what was expected; may have several lines.
        next: what to do, most promising first.
        exit: the status with which the command ends.
    """

    title: str
    detail: str = ""
    next: tuple[str, ...] = ()
    exit: ExitCode = ExitCode.USAGE

    def __str__(self) -> str:
        """Return the message as it is printed, without the program's name."""
        return "\n".join(error_lines(self.title, self.detail, self.next))


def error_lines(title: str, detail: str = "", next: tuple[str, ...] = ()) -> list[str]:  # noqa: A002
    """Return the lines of an error: the title, the detail indented, one arrow for each thing to do."""
    lines = [_safe(title)]
    lines += [f"  {_safe(line)}" for line in detail.splitlines() if line.strip()]
    lines += [f"  -> {_safe(step)}" for step in next]
    return lines


def print_message(text: str = "") -> None:
    """Narrate one thing on stderr."""
    sys.stderr.write(_safe(text) + "\n")
    sys.stderr.flush()


def print_error(error: UserError) -> None:
    """Print an error a person caused."""
    sys.stderr.write(f"wmse-tui: {error}\n")
    sys.stderr.flush()


def print_data(text: str) -> None:
    """Print data on stdout; the text is trusted to be safe already."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _safe(text: str) -> str:
    from wmse_tui.runs.text.sanitize import safe

    return "\n".join(safe(line) for line in text.split("\n"))
