"""What is said when the following of a run ends: the result, where it lies, what went wrong, how to go on."""

from __future__ import annotations

import shutil
import signal
from contextlib import suppress
from pathlib import Path

from wmse_tui.cli.console import error_lines, print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.follower import Followed
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.messages import accuracies, error_sentence
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, size

LOG_LINES = 12
FULL = 1_000_000
"""Bytes: with less left on a disk, a trainer that left no word may well have had no room for one."""


def print_outcome(run: RunDirectory, followed: Followed, *, removed: bool, plain: bool) -> None:
    """Print the result on stdout where that is for people, and everything else on stderr.

    Args:
        run: the run's directory, still there.
        followed: how the following ended.
        removed: the run never trained, and its directory goes away.
        plain: print the result; with JSON lines on stdout the summary object says it.
    """
    if followed.left:
        _tell_leaving(run, followed)
        return
    if plain and not removed:
        for line in result_lines(run, followed.view):
            print_data(line)
    if followed.died:
        _tell_death(run, followed, removed=removed)
    elif followed.view.error is not None and followed.code is not ExitCode.COMPLETED:
        _tell_error(followed.view, removed=removed)
    if removed:
        print_message(
            "Nothing was trained; the run's directory was removed. The same command starts it again."
        )
    elif followed.code not in (ExitCode.COMPLETED,):
        print_message(f"Go on with it: wmse-tui resume {run.id}")


def result_lines(run: RunDirectory, view: RunState) -> list[str]:
    """Return the accuracies at the end, those of the untrained encoder, and where the run lies."""
    lines = []
    trained = [evaluation for evaluation in view.evaluations if evaluation.step > 0]
    if trained:
        lines.append(f"result  {accuracies(trained[-1])}  (epoch {trained[-1].epoch})")
    untrained = next((evaluation for evaluation in view.evaluations if evaluation.step == 0), None)
    if untrained is not None:
        lines.append(f"untrained  {accuracies(untrained)}")
    lines.append(f"run  {run.path}")
    return [safe(line) for line in lines]


def _tell_leaving(run: RunDirectory, followed: Followed) -> None:
    if followed.code is ExitCode.BUSY:
        print_message(f"Another process is training {run.id}. Watch it: wmse-tui attach {run.id}")
        return
    if followed.asked:
        print_message(
            f"Left without waiting: the trainer saves and stops by itself. See: wmse-tui show {run.id}"
        )
        return
    print_message(f"Left; the run goes on by itself. Watch it: wmse-tui attach {run.id}")


def _tell_error(view: RunState, *, removed: bool) -> None:
    error = view.error
    assert error is not None
    steps = error.next
    if removed and error.traceback:  # trainer.log, which had it, goes away
        from wmse_tui.cli.exception_handler import save_crash

        with suppress(OSError):
            path = save_crash(error.traceback)
            steps = (f"the traceback is in {path}; please send it with a report",)
    detail = error.detail + (f"\nSaved: {error.saved}" if error.saved and not removed else "")
    print_message("wmse-tui: " + "\n".join(error_lines(error_sentence(error), detail, steps)))


def _tell_death(run: RunDirectory, followed: Followed, *, removed: bool) -> None:
    if removed:
        print_message("wmse-tui: interrupted before the trainer had started")
        return
    view = followed.view
    where = f"epoch {view.epoch}, step {view.step}" if view.step else "before its first step"
    lines = last_lines(run.trainer_log)
    cause, steps = _cause_of_death(run, followed)
    detail = f"Last seen {where}. {cause}"
    if lines:
        detail += f"\nThe last {count(len(lines), 'line')} of {run.trainer_log}:\n" + "\n".join(
            f"  | {safe(line, 300)}" for line in lines
        )
    print_message("wmse-tui: " + "\n".join(error_lines("the trainer ended without a word", detail, steps)))


def _cause_of_death(run: RunDirectory, followed: Followed) -> tuple[str, tuple[str, ...]]:
    """What may have ended the trainer, from what can still be seen, and what to do about it."""
    with suppress(OSError):
        disk = shutil.disk_usage(run.path)
        if disk.total and disk.free < FULL:
            free = f"The disk of {run.path} is full ({size(disk.free)} left), so it could not even write why."
            return free, ("free some space there (`wmse-tui rm RUN` removes old runs)",)
    begun, status = followed.view.setup is not None, followed.status
    if status is not None and status < 0:
        memory = " (out of memory? see `dmesg`)" if -status == signal.SIGKILL else ""
        return f"Killed by {_signal_name(-status)}{memory}.", ()
    if begun:
        return "Most likely it was killed (out of memory? see `dmesg`).", ()
    return "Killed (out of memory? see `dmesg`), or it could not start.", ()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_lines(path: Path, wanted: int = LOG_LINES) -> list[str]:
    """Return the last lines of a text file of any size; nothing when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-wanted:]
