"""`wmse-tui logs`: what a trainer and its libraries printed, made safe for a terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from wmse_tui.cli.parameters import Run, RunsDir

POLL_SECONDS = 0.25


def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Print trainer.log: the raw output of every attempt at a run."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.locating import find_run
    from wmse_tui.runs.state.watch import RunWatcher

    directory = find_run(run, runs_dir)
    tail = Tail(directory.trainer_log)
    watcher = RunWatcher(directory) if follow else None
    silent = True
    while True:
        ended = watcher is None or watcher.poll().ended  # asked before the last look
        for line in tail.lines(last=ended):
            sys.stdout.write(line + "\n")
            silent = False
        sys.stdout.flush()
        if ended:
            if silent:
                print_message(f"The trainer has printed nothing. See the run: wmse-tui show {directory.id}")
            return
        time.sleep(POLL_SECONDS)


class Tail:
    """Reads a growing text file line by line; an unfinished line is kept until it is finished, or `last`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self, *, last: bool = False) -> list[str]:
        """Return the new lines, safe to print; nothing while there is no file."""
        from wmse_tui.runs.text.sanitize import safe

        new = b""
        try:
            with self._path.open("rb") as file:
                file.seek(0, 2)
                if file.tell() < self._offset:  # begun again
                    self._offset, self._rest = 0, b""
                file.seek(self._offset)
                new = file.read()
                self._offset = file.tell()
        except FileNotFoundError:
            pass
        *whole, self._rest = (self._rest + new).split(b"\n")
        if last and self._rest:
            whole.append(self._rest)
            self._rest = b""
        # What stands before a carriage return was meant to be overwritten: a progress bar.
        return [safe(line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]) for line in whole]
