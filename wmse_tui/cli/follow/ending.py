"""What is said when the following of a run ends: the result, where it lies, what went wrong, how to go on."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.cli.exits import Exit
from wmse_tui.cli.follow.loop import Followed
from wmse_tui.cli.follow.sentences import accuracies
from wmse_tui.cli.messages import error_lines, say, write
from wmse_tui.cli.words import count
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.text import safe
from wmse_tui.runs.view import RunView

LOG_LINES = 12


def tell_ending(run: RunDirectory, followed: Followed, *, removed: bool, plain: bool) -> None:
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
            write(line)
    if followed.died:
        _tell_death(run, followed, removed=removed)
    elif followed.view.error is not None and followed.code is not Exit.COMPLETED:
        _tell_error(followed.view)
    if removed:
        say("Nothing was trained; the run's directory was removed.")
    elif followed.code not in (Exit.COMPLETED,):
        say(f"Go on with it: wmse-tui resume {run.id}")


def result_lines(run: RunDirectory, view: RunView) -> list[str]:
    """Return the accuracies at the end, those of the untrained encoder, and where the run lies."""
    lines = []
    trained = [evaluation for evaluation in view.evaluations if evaluation.epoch > 0]
    if trained:
        lines.append(f"result  {accuracies(trained[-1])}  (epoch {trained[-1].epoch})")
    untrained = next((evaluation for evaluation in view.evaluations if evaluation.epoch == 0), None)
    if untrained is not None:
        lines.append(f"untrained  {accuracies(untrained)}")
    lines.append(f"run  {run.path}")
    return [safe(line) for line in lines]


def _tell_leaving(run: RunDirectory, followed: Followed) -> None:
    if followed.code is Exit.BUSY:
        say(f"Another process is training {run.id}. Watch it: wmse-tui attach {run.id}")
        return
    say(f"Left; the run goes on by itself. Watch it: wmse-tui attach {run.id}")


def _tell_error(view: RunView) -> None:
    error = view.error
    assert error is not None
    detail = error.detail + (f"\nSaved: {error.saved}" if error.saved and error.stage == "training" else "")
    say("wmse-tui: " + "\n".join(error_lines(error.title, detail, error.next)))


def _tell_death(run: RunDirectory, followed: Followed, *, removed: bool) -> None:
    if removed:
        say("wmse-tui: interrupted before the trainer had started")
        return
    view = followed.view
    where = f"epoch {view.epoch}, step {view.step}" if view.step else "before its first step"
    lines = last_lines(run.trainer_log)
    detail = f"Last seen {where}. Killed (out of memory? see `dmesg`), or it could not start."
    if lines:
        detail += f"\nThe last {count(len(lines), 'line')} of {run.trainer_log}:\n" + "\n".join(
            f"  | {safe(line, 300)}" for line in lines
        )
    say("wmse-tui: " + "\n".join(error_lines("the trainer ended without a word", detail)))


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
