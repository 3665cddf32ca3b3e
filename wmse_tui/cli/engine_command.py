"""A process of the engine that does one thing: progress on stderr, the result on stdout, an exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any

import typer

from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.signals import exit_for
from wmse_tui.runs.process.deferred_signals import STOP_SIGNALS, TERMINATING
from wmse_tui.runs.process.engine_messages import engine_messages


def run_engine_command(
    argv: list[str],
    *,
    what: str,
    as_json: bool,
    lines: Callable[[dict[str, Any]], Sequence[str]],
    stdin: str = "",
) -> ExitCode:
    """Run a process, show its progress on stderr and print its result on stdout.

    Args:
        argv: its command line. It prints JSON lines: {"progress": {...}} while it works, and last
            {"result": {...}} or {"error": {...}}.
        what: the name of the process in messages.
        as_json: print the result as one JSON object, unchanged.
        lines: returns the result as text.
        stdin: the input of the process.
    """
    from wmse_tui.cli.console import UserError, print_error
    from wmse_tui.cli.follow.jsonlines import write_object
    from wmse_tui.cli.follow.outcome import last_lines, steps_for_output
    from wmse_tui.runs.text.sanitize import safe

    with tempfile.NamedTemporaryFile(prefix="wmse-tui-") as log, tempfile.TemporaryFile() as source:
        source.write(stdin.encode())
        source.seek(0)
        # A session of its own: Ctrl-C reaches this command only, which then ends the process.
        process = subprocess.Popen(
            argv, stdin=source, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        assert process.stdout is not None
        before = {number: signal.signal(number, _raise_terminated) for number in TERMINATING}
        try:
            last = _read_messages(process.stdout)
            process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                process.terminate()
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            process.stdout.close()
            if process.returncode is None:
                _end(process)
        if "result" in last:
            if as_json:
                write_object(last["result"])
            else:
                sys.stdout.write("".join(safe(line) + "\n" for line in lines(last["result"])))
            return ExitCode.COMPLETED
        if "error" in last:
            if as_json:
                write_object({"error": last["error"]})
            error = last["error"]
            steps = tuple(str(step) for step in error.get("next", ()))
            print_error(
                UserError(str(error.get("title", f"the {what} failed")), str(error.get("detail", "")), steps)
            )
            return ExitCode.USAGE if error.get("code") in ("E_CONFIG", "E_USAGE") else ExitCode.FAILED
        if -process.returncode in STOP_SIGNALS:  # a signal to every process of a job reached that one first
            return exit_for(-process.returncode)
        output = last_lines(log)
        text = "\n".join(f"| {line}" for line in output)
        title = f"the {what} ended with status {process.returncode} and no result"
        print_error(UserError(title, text, steps_for_output(output)))
        return ExitCode.FAILED


def _read_messages(stream: IO[bytes]) -> dict[str, Any]:
    """Show progress until the stream ends; return the last object that is a result or an error."""
    last: dict[str, Any] = {}
    progress = ProgressLine()
    for value in engine_messages(stream):
        if isinstance(value.get("progress"), dict):
            progress.show(value["progress"])
        elif isinstance(value.get("result"), dict) or isinstance(value.get("error"), dict):
            last = value
    progress.close()
    return last


class ProgressLine:
    """Progress on stderr: one line that is overwritten on a terminal, else a line for each new phase."""

    def __init__(self) -> None:
        self._name = ""
        self._open = False
        self._terminal = sys.stderr.isatty()

    def show(self, values: dict[str, Any]) -> None:
        """Show the phase of the process: its `name`, and `done` of `total` where they are given."""
        from wmse_tui.runs.log.events import Phase
        from wmse_tui.runs.text.messages import phase_sentence
        from wmse_tui.runs.text.sanitize import safe

        unit = str(values.get("unit", ""))
        numbers = [values.get(key) for key in ("done", "total")]
        done, total = (float(n) if isinstance(n, (int, float)) else None for n in numbers)
        total = total or None  # 0: not known
        if total is None and not unit:  # one step, which is not counted
            done = None
        name = str(values.get("name", "evaluate"))
        text = safe(phase_sentence(Phase(name, done, total, unit)), 78)
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            self._open = True
        elif name != self._name:
            sys.stderr.write(text + "\n")
        self._name = name
        sys.stderr.flush()

    def close(self) -> None:
        """End the line that was being overwritten."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _raise_terminated(*_: object) -> None:
    raise typer.Exit(ExitCode.TERMINATED)
