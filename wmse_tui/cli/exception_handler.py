"""The border between exceptions and people: each failure leaves as a message and an exit status.

Errors that a person can cause arrive as `UserError`, `ConfigError` or a `RunsError` and are printed without a
traceback. Anything else is a defect: one line on stderr, the traceback in a file that the line names.
"""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from wmse_tui.cli.console import UserError, print_error, print_message
from wmse_tui.cli.exits import ExitCode

# typer prints usage errors itself. Their base class is click's, or typer's own copy of it, by version.
_UsageProblem: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)


class CommandGroup(TyperGroup):
    """A group of commands whose exceptions become messages and exit statuses."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command inside the border."""
        with handle_exceptions():
            return super().invoke(ctx)


@contextmanager
def handle_exceptions() -> Iterator[None]:
    """Turn every failure of the block into a message and `typer.Exit`."""
    try:
        yield
    except (typer.Exit, typer.Abort, _UsageProblem):
        raise
    except UserError as error:
        print_error(error)
        raise typer.Exit(error.exit) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        _silence_stdout()
        raise typer.Exit(ExitCode.READER_GONE) from None
    except OSError as error:
        if (
            error.errno == errno.EIO and error.filename is None
        ):  # the terminal is gone, and SIGHUP was ignored
            _silence_stdout()
            raise typer.Exit(ExitCode.HUNG_UP) from None
        raise typer.Exit(_tell(error)) from None
    except Exception as error:  # noqa: BLE001 (the border: nothing leaves without a message)
        raise typer.Exit(_tell(error)) from None


def _tell(error: Exception) -> ExitCode:
    """Print what a person can do something about as a message, and anything else as a defect."""
    known = _translate(error)
    if known is None:
        return _report_defect(error)
    print_error(known)
    return known.exit


def _translate(error: Exception) -> UserError | None:
    """Return the message for an error of the rooms below and for the system errors of a usual day."""
    from wmse_tui.config.problems import ConfigError

    if isinstance(error, ConfigError):
        count = len(error.problems)
        title = "the configuration has a problem" if count == 1 else f"the configuration has {count} problems"
        return UserError(title, str(error))
    from wmse_tui.runs.errors import (
        BadRunName,
        BadTag,
        NotAFolder,
        RunBusy,
        RunExists,
        RunNotFound,
        RunQueued,
        RunsError,
    )

    if isinstance(error, RunsError):
        code = ExitCode.FAILED
        if isinstance(error, (RunBusy, RunQueued)):
            code = ExitCode.BUSY
        elif isinstance(error, (BadRunName, BadTag, NotAFolder, RunExists, RunNotFound)):
            code = ExitCode.USAGE
        return UserError(error.title, error.detail, error.next, code)
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        where = f"{error.filename}: " if error.filename else ""
        return UserError(f"{where}{error.strerror}", "", _SYSTEM[error.errno], ExitCode.FAILED)
    return None


_SYSTEM: dict[int, tuple[str, ...]] = {
    errno.ENOSPC: ("free some space there, or put runs elsewhere with --runs-dir",),
    errno.EDQUOT: ("your quota is used up: free some space, or put runs elsewhere with --runs-dir",),
    errno.EACCES: ("check the owner and the permissions of that path",),
    errno.EPERM: ("check the owner and the permissions of that path",),
    errno.EROFS: ("that file system is read-only: put runs elsewhere with --runs-dir",),
}


def _report_defect(error: Exception) -> ExitCode:
    """Save the traceback and say in one line where it lies."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    print_message(f"wmse-tui: something went wrong inside: {what}")
    try:
        print_message(f"  -> the traceback is in {save_traceback(error)}; please send it with a report")
    except OSError as refusal:
        print_message(f"  the traceback could not be saved ({refusal.strerror}):")
        print_message("".join(traceback.format_exception(error)))
    return ExitCode.FAILED


def save_traceback(error: BaseException) -> Path:
    """Write the traceback of `error` into the cache folder and return the file's path.

    Raises:
        OSError: the folder cannot be written.
    """
    return save_crash("".join(traceback.format_exception(error)))


def save_crash(text: str) -> Path:
    """Write a traceback, this command's or a trainer's, into the cache folder and return the file's path.

    Raises:
        OSError: the folder cannot be written.
    """
    from wmse_tui.config.locations import cache_dir

    folder = cache_dir() / "crashes"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / time.strftime(f"crash-%Y%m%d-%H%M%S-{os.getpid()}.txt")
    command = " ".join(sys.argv)
    path.write_text(f"{command}\n\n{text}", encoding="utf-8")
    path.chmod(0o600)
    return path


def _silence_stdout() -> None:
    """Keep the interpreter's last flush from failing too, now that nobody reads stdout."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
