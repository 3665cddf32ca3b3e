"""The top-level exception handler: every exception becomes a message and an exit code.

Errors that a user can cause are `UserError`, `ConfigError` or a `RunsError` and are printed without a
traceback. Anything else is a bug: one line on stderr, and the traceback in a file that the line names.
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

from wmse_tui.cli.console import UserError, print_error, print_lines, print_message
from wmse_tui.cli.exits import ExitCode

# typer prints usage errors itself. Their base class is click's, or typer's own copy of it, by version.
_UsageError: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)


class CommandGroup(TyperGroup):
    """A group of commands whose exceptions become messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command with the exception handler around it."""
        with handle_exceptions():
            return super().invoke(ctx)


@contextmanager
def handle_exceptions() -> Iterator[None]:
    """Turn every exception of the block into a message and `typer.Exit`."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except _UsageError as error:
        _name_setting(error)
        raise
    except UserError as error:
        print_error(error)
        raise typer.Exit(error.code) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except OSError as error:
        code = output_closed(error)
        raise typer.Exit(_print(error) if code is None else code) from None
    except Exception as error:  # noqa: BLE001 (top-level handler: every exception becomes a message)
        raise typer.Exit(_print(error)) from None


def _name_setting(error: Any) -> None:
    """Let typer's error on an unknown `--epochs` or a bare `quickstart` name the option that sets it."""
    if error.ctx is None or not any("--set" in parameter.opts for parameter in error.ctx.command.params):
        return
    presets = any("--preset" in parameter.opts for parameter in error.ctx.command.params)
    if presets and "unexpected extra argument" in error.message:
        error.message += "; a preset is named by --preset NAME, and an option is set by --set KEY=VALUE"
    if type(error).__name__ != "NoSuchOption":
        return
    from wmse_tui.config.names import option_names

    leaf = error.option_name.lstrip("-").replace("-", "_")
    found = [name for name in option_names() if leaf in (name, name.rpartition(".")[2])]
    if found:
        named = " or ".join(f"--set {name}=VALUE" for name in dict.fromkeys(found))
        error.message += f"; an option of the configuration is set by {named}"
        error.possibilities = None


def _print(error: Exception) -> ExitCode:
    """Print an error that a user can do something about, or report a bug; return the exit code."""
    known = _translate(error)
    if known is None:
        return _report_bug(error)
    print_error(known)
    return known.code


def _translate(error: Exception) -> UserError | None:
    """Return the message for an error of the other packages and for common system errors."""
    from wmse_tui.config.problems import ConfigError
    from wmse_tui.runs.text.sanitize import safe

    if isinstance(error, ConfigError):
        count = len(error.problems)
        title = "the configuration has a problem" if count == 1 else f"the configuration has {count} problems"
        return UserError(title, "\n".join(safe(problem.text()) for problem in error.problems))
    from wmse_tui.runs.errors import (
        SYSTEM_STEPS,
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
    if isinstance(error, OSError) and error.errno in SYSTEM_STEPS:
        where = f"{error.filename}: " if error.filename else ""
        step = SYSTEM_STEPS[error.errno]
        if error.errno == errno.ENOENT and not where:  # of os.getcwd
            step = "change to a folder that exists"
        return UserError(f"{where}{error.strerror}", "", (step,), ExitCode.FAILED)
    return None


def _report_bug(error: Exception) -> ExitCode:
    """Save the traceback and print its path."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    print_message(f"wmse-tui: internal error: {what}")
    try:
        print_message(f"  -> the traceback is in {save_traceback(error)}; please attach it to a bug report")
    except OSError as refusal:
        print_message(f"  the traceback could not be saved ({refusal.strerror}):")
        print_lines("".join(traceback.format_exception(error)).splitlines())
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
    from wmse_tui.config.atomic import append_private, make_private_folder
    from wmse_tui.config.locations import cache_dir

    folder = cache_dir() / "crashes"
    make_private_folder(folder)
    path = folder / time.strftime(f"crash-%Y%m%d-%H%M%S-{os.getpid()}.txt")
    command = " ".join(sys.argv)
    with append_private(path) as file:
        file.write(f"{command}\n\n{text}".encode(errors="backslashreplace"))
    return path


def output_closed(error: OSError) -> ExitCode | None:
    """Return the exit code if `error` is that the reader of the output has exited or its terminal hung up.

    stdout is silenced then, so that the last flush does not fail too.
    """
    if isinstance(error, BrokenPipeError):
        code = ExitCode.OUTPUT_CLOSED
    elif error.errno == errno.EIO and error.filename is None:  # SIGHUP was ignored
        code = ExitCode.HUNG_UP
    else:
        return None
    _silence_stdout()
    return code


def _silence_stdout() -> None:
    """Keep the interpreter's last flush from failing too, now that stdout is closed."""
    with suppress(OSError, ValueError):
        stdout = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stdout)
        os.close(null)
