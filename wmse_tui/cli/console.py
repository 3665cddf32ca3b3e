"""Messages on stderr, and the one form of every error that a user can cause.

    wmse-tui: there is no run 'stl-a'
      searched /home/me/.local/share/wmse-tui/runs
      -> did you mean stl10-a?

stdout is for data: only `print_data` writes there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from wmse_tui.cli.exits import ExitCode


@dataclass
class UserError(Exception):
    """A request of the user cannot be met: what happened, where, what was expected, what to do.

    Args:
        title: what happened, in one line.
        detail: where and what was expected; may have several lines.
        next: what to do, most promising first.
        code: the exit code of the command.
    """

    title: str
    detail: str = ""
    next: tuple[str, ...] = ()
    code: ExitCode = ExitCode.USAGE

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
    """Print a message on stderr."""
    sys.stderr.write(_safe(text) + "\n")
    sys.stderr.flush()


def print_error(error: UserError) -> None:
    """Print an error that a user can do something about."""
    sys.stderr.write(f"wmse-tui: {error}\n")
    sys.stderr.flush()


def print_data(text: str) -> None:
    """Print data on stdout; the text must be sanitised already."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _safe(text: str) -> str:
    from wmse_tui.runs.text.sanitize import safe

    return "\n".join(safe(line) for line in text.split("\n"))
