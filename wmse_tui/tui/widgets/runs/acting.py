"""What can be done to runs from the list: why not, if not, and the doing, in sentences.

Whether an action makes sense is told from the state on the screen; whoever holds the run has the last word.
Everything that touches files is meant for a thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from wmse_tui.runs.annotations import check_tag, read_annotations, retagged, write_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import BadTag, RunsError
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.queue.status import cancel, go_first, hold, release
from wmse_tui.runs.state.status import ACTIVE, ENDED, IN_PROGRESS
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count

Action = Literal["stop", "resume", "delete", "queue", "hold", "first"]
_NAMED = 4  # runs that a sentence names


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action: the runs it was done to, and for the others a sentence why not."""

    done: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def directory(digest: RunRow) -> RunDirectory:
    """The run's directory."""
    return RunDirectory(Path(digest.path))


def why_not(action: Action, digest: RunRow) -> str:
    """Why an action makes no sense for a run as it is; "" where it does."""
    state = digest.status
    match action:
        case "stop" if state in ENDED:
            return f"it is not running: it is {state}"
        case "stop" if state == "new":
            return "it was never started"
        case "resume" if state == "completed":
            return "it has completed, there is nothing left to do"
        case "resume" if state == "queued":
            return "it waits in the queue; put it first, or take it out with Stop"
        case "resume" if state in ACTIVE - {"paused"}:
            return f"it is {state} already"
        case "queue" if state == "completed":
            return "it has completed, there is nothing left to do"
        case "queue" if state in IN_PROGRESS:
            return f"it is {state} already"
        case "hold" | "first" if state != "queued":
            return "it is not in the queue"
        case "resume" | "delete" | "queue" if state == "unknown" and not digest.problem:
            return (
                f"it may be running: {digest.status_reason}" if digest.status_reason else "it may be running"
            )
        case "delete" if state == "queued":
            return "it waits in the queue; take it out first, with Stop"
        case "delete" if state in ACTIVE:
            return f"it is {state}; stop it first"
    return ""


def sort_out(action: Action, digests: Iterable[RunRow]) -> tuple[tuple[RunRow, ...], tuple[str, ...]]:
    """Those to which the action can be done, and for each of the others a sentence why not."""
    possible, refused = [], []
    for digest in digests:
        reason = why_not(action, digest)
        if reason:
            refused.append(f"{safe(digest.run_id, 60)}: {safe(reason, 200)}")
        else:
            possible.append(digest)
    return tuple(possible), tuple(refused)


def each(digests: Iterable[RunRow], act: Callable[[RunRow], object]) -> Outcome:
    """Do something to each run; what fails for one does not keep the others from it."""
    done, refused = [], []
    for digest in digests:
        try:
            act(digest)
        except RunsError as error:
            refused.append(f"{safe(digest.run_id, 60)}: {reason_of(error)}")
        else:
            done.append(digest.run_id)
    return Outcome(tuple(done), tuple(refused))


def reason_of(error: RunsError) -> str:
    """An error of the runs room in one sentence with its first way out."""
    text = f"{error.title}: {error.detail}" if error.detail else error.title
    return safe(f"{text}; {error.next[0]}" if error.next else text, 300)


def ask_stop(digest: RunRow, *, after_epoch: bool) -> None:
    """Ask the trainer to save and leave; take a run that waits out of the queue. Raises RunsError."""
    if digest.status == "queued" and cancel(directory(digest)):
        return
    request(directory(digest), "stop_after_epoch" if after_epoch else "stop", by="app")


def ask_resume(digest: RunRow) -> None:
    """Ask the trainer of a paused run to go on. Raises RunsError."""
    request(directory(digest), "resume", by="app")


def hold_or_release(digest: RunRow) -> None:
    """Let a waiting run wait on whatever is free; a held one go on. Raises RunsError."""
    run = directory(digest)
    if not release(run):
        hold(run)


def put_first(digest: RunRow) -> None:
    """Put a waiting run before all others. Raises RunsError."""
    go_first(directory(digest))


def remove(digest: RunRow) -> None:
    """Delete the run with everything in it. Raises RunsError."""
    remove_run(directory(digest))


def weigh(digest: RunRow) -> int:
    """Bytes of a run's files; those that cannot be looked at count nothing."""
    total = 0
    for folder, _, names in os.walk(digest.path):  # does not follow links
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 (thousands of files)
    return total


def tag(digest: RunRow, *, add: Iterable[str], remove: Iterable[str]) -> None:
    """Give a run tags and take others from it. Raises RunsError."""
    run = directory(digest)
    write_annotations(run, retagged(read_annotations(run), add=add, remove=remove))


def note(digest: RunRow, text: str) -> None:
    """Write the note of a run anew. Raises RunsError."""
    run = directory(digest)
    write_annotations(run, replace(read_annotations(run), note=text.strip()))


def read_tags(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags to give and tags to take from "a b -c"; a comma separates as well as a space does."""
    words = text.replace(",", " ").split()
    return (
        tuple(word for word in words if not word.startswith("-")),
        tuple(word[1:] for word in words if word.startswith("-")),
    )


def tag_problem(text: str) -> str:
    """A sentence on the first of the typed words that cannot be a tag, or ""."""
    for word in (*read_tags(text)[0], *read_tags(text)[1]):
        try:
            check_tag(word)
        except BadTag as error:
            return f"{error.title}: {error.detail}"
    return ""


def named(ids: Iterable[str]) -> str:
    """The ids of runs for a sentence, the first few by name."""
    every = [safe(one, 60) for one in ids]
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def runs_named(ids: Iterable[str]) -> str:
    """ "a", or "3 runs (a, b, c)"."""
    every = tuple(ids)
    return named(every) if len(every) == 1 else f"{count(len(every), 'run')} ({named(every)})"
