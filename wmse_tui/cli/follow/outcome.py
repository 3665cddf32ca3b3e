"""What is printed when the following of a run ends: result, path, error, and how to resume."""

from __future__ import annotations

import errno
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from wmse_tui.cli.console import error_lines, print_data, print_lines, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.follower import Followed
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import SYSTEM_STEPS
from wmse_tui.runs.process.identity import is_copied, read_trainer
from wmse_tui.runs.run_folder import open_file
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.verdict import judge
from wmse_tui.runs.text.messages import accuracies, error_sentence
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, size

LOG_LINES = 12
_LESS_MEMORY = "raise the memory limit of the shell or the job: ulimit -v unlimited"
_OUTPUT_STEPS = {
    "failed to map segment": _LESS_MEMORY,  # of the loader, for a library as large as torch's
    "Cannot allocate memory": _LESS_MEMORY,
    "No module named": "`wmse-tui doctor` shows what is missing, and how to install it",
}
FULL = 1_000_000
"""Bytes: with less free space, a trainer without an exit event may have been unable to write one."""


def print_outcome(run: RunDirectory, followed: Followed, *, removed: bool, plain: bool) -> None:
    """Print the result on stdout where that is for people, and everything else on stderr.

    Args:
        run: the run's directory, which still exists.
        followed: how the following ended.
        removed: the run never trained, and its directory will be removed.
        plain: print the result; with JSON lines on stdout the summary object has it.
    """
    if followed.left:
        _print_left(run, followed)
        return
    if plain and not removed:
        for line in result_lines(run, followed.state):
            print_data(line)
    if followed.without_exit_event:
        _print_unexplained_end(run, followed, removed=removed)
    elif followed.state.error is not None and followed.code is not ExitCode.COMPLETED:
        _print_error(followed.state, removed=removed)
    if removed:
        again = "" if followed.state.needs_other_configuration else " The same command starts it again."
        print_message(f"Nothing was trained; the run's directory was removed.{again}")
    elif followed.code is not ExitCode.COMPLETED:
        print_message(f"Resume it: wmse-tui resume {run.id}")


def result_lines(run: RunDirectory, state: RunState) -> list[str]:
    """Return the final accuracies, those of the untrained encoder, a collapse, and the path of the run."""
    lines = []
    trained = [evaluation for evaluation in state.evaluations if evaluation.step > 0]
    if trained:
        lines.append(f"result  {accuracies(trained[-1])}  (epoch {trained[-1].epoch})")
    untrained = next((evaluation for evaluation in state.evaluations if evaluation.step == 0), None)
    if untrained is not None:
        lines.append(f"untrained  {accuracies(untrained)}")
    verdict = judge(state)
    if verdict.name not in ("unknown", "healthy"):
        lines.append(f"embeddings  {verdict.name}: {verdict.evidence}")
        lines += [f"-> {step}" for step in verdict.advice]
    lines.append(f"run  {run.path}")
    return [safe(line) for line in lines]


def _print_left(run: RunDirectory, followed: Followed) -> None:
    if followed.code is ExitCode.BUSY:
        print_message(f"Another process is training {run.id}. Watch it: wmse-tui attach {run.id}")
        return
    if followed.stopping:
        print_message(f"Not waiting; the trainer still saves and stops. See: wmse-tui show {run.id}")
        return
    print_message(f"Detached; the run continues. Watch it: wmse-tui attach {run.id}")


def _print_error(state: RunState, *, removed: bool) -> None:
    error = state.error
    assert error is not None
    steps = error.next
    if removed and error.traceback:  # it is in trainer.log, which will be removed
        from wmse_tui.cli.exception_handler import save_crash

        with suppress(OSError):
            path = save_crash(error.traceback)
            steps = (f"the traceback is in {path}; please attach it to a bug report",)
    detail = error.detail + (f"\nSaved: {error.saved}" if error.saved and not removed else "")
    print_lines(error_lines(f"wmse-tui: {error_sentence(error)}", detail, steps))


def _print_unexplained_end(run: RunDirectory, followed: Followed, *, removed: bool) -> None:
    if removed:
        print_message("wmse-tui: interrupted before the trainer had started")
        return
    state = followed.state
    where = f"epoch {state.epoch}, step {state.step}" if state.step else "before its first step"
    trainer = read_trainer(run)
    if trainer is not None and is_copied(run, trainer):
        print_lines(error_lines(f"wmse-tui: {state.status_reason}", f"Last event: {where}."))
        return
    lines = _log_end(run)
    cause, steps = _likely_cause(run, followed)
    steps = (*steps, *steps_for_output(lines))
    detail = f"Last event: {where}. {cause}"
    if lines:
        detail += f"\nThe last {count(len(lines), 'line')} of {run.trainer_log}:\n" + "\n".join(
            f"  | {safe(line, 300)}" for line in lines
        )
    print_lines(error_lines("wmse-tui: the trainer ended without reporting why", detail, steps))


def _likely_cause(run: RunDirectory, followed: Followed) -> tuple[str, tuple[str, ...]]:
    """What may have ended the trainer, as far as this machine shows it, and what to do about it."""
    with suppress(OSError):
        disk = shutil.disk_usage(run.path)
        if disk.total and disk.free < FULL:
            cause = f"The disk of {run.path} is full ({size(disk.free)} left): it could not write the reason."
            return cause, (SYSTEM_STEPS[errno.ENOSPC],)
    started, status = followed.state.setup is not None, followed.process_status
    if status is not None and status < 0:
        memory = " (out of memory? see `dmesg`)" if -status == signal.SIGKILL else ""
        return f"Killed by {_signal_name(-status)}{memory}.", ()
    if started:
        return "Most likely it was killed (out of memory? see `dmesg`).", ()
    return "Killed (out of memory? see `dmesg`), or it could not start.", ()


def steps_for_output(lines: Sequence[str]) -> tuple[str, ...]:
    """What can be done about the last output of a process that could not report its own error."""
    return tuple(
        dict.fromkeys(step for text, step in _OUTPUT_STEPS.items() if any(text in line for line in lines))
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _log_end(run: RunDirectory) -> list[str]:
    """The last lines of the trainer's output; none where it cannot be read."""
    try:
        with open_file(run.trainer_log) as file:
            return last_lines(file)
    except OSError:
        return []


def last_lines(file: IO[bytes], wanted: int = LOG_LINES) -> list[str]:
    """Return the last lines of a text file of any size. Raises OSError."""
    file.seek(0, 2)
    file.seek(max(0, file.tell() - 64 * 1024))
    text = file.read().decode("utf-8", "replace")
    return [line for line in text.splitlines() if line.strip()][-wanted:]
