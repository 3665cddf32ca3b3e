"""Messages on stderr, and the one form of every error that a user can cause.

    wmse-tui: there is no run 'stl-a'
      searched /home/me/.local/share/wmse-tui/runs
      -> did you mean stl10-a?

stdout is for data: only `print_data` writes there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
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
    from wmse_tui.runs.text.sanitize import safe

    lines = [safe(title)]
    lines += [f"  {_no_arrow(safe(line))}" for line in detail.splitlines() if line.strip()]
    lines += [f"  -> {safe(step)}" for step in next]
    return lines


def print_message(text: str = "") -> None:
    """Print a message on stderr, in one line: a name in it may have line breaks."""
    print_lines([text])


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stderr."""
    from wmse_tui.runs.text.sanitize import safe

    sys.stderr.write("".join(f"{safe(line)}\n" for line in lines))
    sys.stderr.flush()


def print_error(error: UserError) -> None:
    """Print an error that a user can do something about."""
    sys.stderr.write(f"wmse-tui: {error}\n")
    sys.stderr.flush()


def print_data(text: str) -> None:
    """Print a line of data on stdout: one name is one line for a script."""
    from wmse_tui.runs.text.sanitize import safe

    sys.stdout.write(safe(text) + "\n")
    sys.stdout.flush()


def _no_arrow(line: str) -> str:
    """A line of a detail, which may hold text of files: what to do is named by this program alone."""
    return f"| {line}" if line.lstrip().startswith("->") else line
