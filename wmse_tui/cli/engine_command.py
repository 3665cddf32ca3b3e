"""A process of the engine that is asked one thing: progress on stderr, the answer on stdout, a status."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import typer

from wmse_tui.cli.exits import ExitCode


def run_engine_command(
    argv: list[str],
    *,
    what: str,
    as_json: bool,
    lines: Callable[[dict[str, Any]], Sequence[str]],
    stdin: str = "",
) -> ExitCode:
    """Run a process, narrate its progress on stderr and print its result on stdout.

    Args:
        argv: its command line. It prints JSON lines: {"progress": {...}} while it works, and last
            {"result": {...}} or {"error": {...}}.
        what: the process, in a word.
        as_json: print the result as it came, as one JSON object.
        lines: the result in words, for people.
        stdin: what the process reads.
    """
    from wmse_tui.cli.console import UserError, print_error
    from wmse_tui.cli.follow.outcome import last_lines
    from wmse_tui.runs.text.sanitize import safe

    with tempfile.NamedTemporaryFile(prefix="wmse-tui-") as said, tempfile.TemporaryFile() as given:
        given.write(stdin.encode())
        given.seek(0)
        # A session of its own: Ctrl-C reaches this command only, which then ends the process.
        process = subprocess.Popen(
            argv, stdin=given, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        )
        assert process.stdout is not None
        before = signal.signal(signal.SIGTERM, _raise_terminated)
        try:
            last = _listen(process.stdout)
            process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                process.terminate()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
            process.stdout.close()
            if process.returncode is None:
                _end(process)
        if "result" in last:
            if as_json:
                _print_json(last["result"])
            else:
                sys.stdout.write("".join(safe(line) + "\n" for line in lines(last["result"])))
            return ExitCode.COMPLETED
        if "error" in last:
            if as_json:
                _print_json({"error": last["error"]})
            error = last["error"]
            steps = tuple(str(step) for step in error.get("next", ()))
            print_error(
                UserError(str(error.get("title", f"the {what} failed")), str(error.get("detail", "")), steps)
            )
            return ExitCode.USAGE if error.get("code") in ("E_CONFIG", "E_USAGE") else ExitCode.FAILED
        words = "\n".join(f"| {line}" for line in last_lines(Path(said.name)))
        print_error(UserError(f"the {what} ended with status {process.returncode} and no result", words))
        return ExitCode.FAILED


def _listen(stream: IO[bytes]) -> dict[str, Any]:
    """Narrate progress until the stream ends; return the last object that is a result or an error."""
    last: dict[str, Any] = {}
    narrate = ProgressLine()
    for value in _objects(stream):
        if isinstance(value.get("progress"), dict):
            narrate.progress(value["progress"])
        elif isinstance(value.get("result"), dict) or isinstance(value.get("error"), dict):
            last = value
    narrate.close()
    return last


def _objects(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    for line in stream:
        try:
            value = json.loads(line)
        except ValueError:
            continue  # a library that prints
        if isinstance(value, dict):
            yield value


class ProgressLine:
    """Progress on stderr: one line that is overwritten on a terminal, else a line for each new phase."""

    def __init__(self) -> None:
        self._name = ""
        self._open = False
        self._terminal = sys.stderr.isatty()

    def progress(self, values: dict[str, Any]) -> None:
        """Show what the process is busy with: `name`, and `done` of `total` where it tells them."""
        from wmse_tui.runs.log.events import Phase
        from wmse_tui.runs.text.messages import phase_sentence
        from wmse_tui.runs.text.sanitize import safe

        numbers = [values.get(key) for key in ("done", "total")]
        done, total = (float(n) if isinstance(n, (int, float)) else None for n in numbers)
        name = str(values.get("name", "evaluate"))
        text = safe(phase_sentence(Phase(name, done, total, str(values.get("unit", "")))), 78)
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


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _raise_terminated(*_: object) -> None:
    raise typer.Exit(ExitCode.TERMINATED)
