"""`wmse-tui logs`: what happened in a run, as dated lines; with --raw the output of its trainers."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from wmse_tui.cli.arguments import Run, RunsDir

if TYPE_CHECKING:
    from wmse_tui.runs.directory import RunDirectory
    from wmse_tui.runs.log.follow import LineFollower

POLL_SECONDS = 0.25
_LONGEST = 1 << 26  # bytes: a progress bar of hours is one line


def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until the run ends.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print trainer.log, the output of every attempt, instead.")
    ] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Print what happened in a run, line by line.

    Epochs, evaluations, notices and the end, each with its date.
    """
    from wmse_tui.cli.locating import find_run

    directory = find_run(run, runs_dir)
    if raw:
        _print_output(directory, follow=follow)
    else:
        _print_events(directory, follow=follow)


def _print_events(directory: RunDirectory, *, follow: bool) -> None:
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.follow.plain import PlainLines
    from wmse_tui.runs.log.events import Record
    from wmse_tui.runs.state.watch import RunWatcher

    records: list[Record] = []
    watcher, lines, printed = RunWatcher(directory, records=records), PlainLines(), False
    while True:
        state = watcher.poll()
        for record in records:
            for line in lines.lines(record, state):
                sys.stdout.write(line + "\n")
                printed = True
        records.clear()
        sys.stdout.flush()
        if state.ended or not follow:
            if not printed:
                print_message(
                    f"Nothing has been logged. The trainer's output: wmse-tui logs --raw {directory.id}"
                )
            return
        time.sleep(POLL_SECONDS)


def _print_output(directory: RunDirectory, *, follow: bool) -> None:
    from wmse_tui.cli.console import print_message
    from wmse_tui.runs.log.follow import LineFollower
    from wmse_tui.runs.state.watch import RunWatcher

    follower = LineFollower(directory.trainer_log, reading="read the trainer's output", longest=_LONGEST)
    watcher = RunWatcher(directory) if follow else None
    printed = False
    while True:
        ended = watcher is None or watcher.poll().ended  # before the last poll
        for line in _new_lines(follower, last=ended):
            sys.stdout.write(line + "\n")
            printed = True
        sys.stdout.flush()
        if ended:
            if follower.overlong:
                left_out = f"{follower.overlong} of more than {_LONGEST:,} bytes"
                print_message(f"Lines that are too long are left out: {left_out}")
            if not printed:
                print_message(f"The trainer has printed nothing. See the run: wmse-tui show {directory.id}")
            return
        time.sleep(POLL_SECONDS)


def _new_lines(follower: LineFollower, *, last: bool) -> list[str]:
    """The new lines, sanitised; an unfinished line only where it is the `last`."""
    from wmse_tui.runs.log.tail import overwritten
    from wmse_tui.runs.text.sanitize import safe

    lines = follower.poll()
    while follower.behind:
        lines += follower.poll()
    if last and follower.partial:
        lines.append(follower.partial)
    return [safe(overwritten(line)) for line in lines]
