"""What can be done to runs from the list: why not, where not, and the actions themselves.

Whether an action makes sense is judged by the status on the screen; the locks of the run decide when it is
carried out. Everything that touches files is meant for a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from wmse_tui.runs.annotations import Annotations, check_tag, read_annotations, retagged, write_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import BadTag, RunsError
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.process.signalling import send_request
from wmse_tui.runs.queue.positions import cancel, go_first, hold, release
from wmse_tui.runs.state.lost_work import work_lost_by_resuming
from wmse_tui.runs.state.status import ACTIVE, ENDED
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count

Action = Literal["stop", "resume", "delete", "queue", "hold", "first"]
_NAMED = 4  # runs that a sentence names


@dataclass(frozen=True, slots=True)
class Outcome:
    """The runs to which an action was done, and for the others a sentence why not."""

    done: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def directory_of(row: RunRow) -> RunDirectory:
    """The run's directory."""
    return RunDirectory(Path(row.path), link=Path(row.link) if row.link else None)


def refusal(action: Action, row: RunRow) -> str:
    """Why an action does not apply to a run of this status; "" if it does."""
    status = row.status
    match action:
        case "stop" if status in ENDED:
            return f"it is not running: it is {status}"
        case "stop" if status == "new":
            return "it was never started"
        case "resume" | "queue" if status == "completed":
            return "it has completed, there is nothing left to do"
        case "resume" if status == "queued":
            return "it waits in the queue; put it first, or remove it with Stop"
        case "resume" if status in ACTIVE - {"paused"}:
            return f"it is {status} already"
        case "queue" if status in ACTIVE or status == "queued":
            return f"it is {status} already"
        case "hold" | "first" if status != "queued":
            return "it is not in the queue"
        case "resume" | "delete" | "queue" if status == "unknown" and not row.problem:
            return f"it may be running: {row.status_reason}" if row.status_reason else "it may be running"
        case "delete" if status == "queued":
            return "it waits in the queue; remove it first, with Stop"
        case "delete" if status in ACTIVE:
            return f"it is {status}; stop it first"
    return ""


def partition(action: Action, rows: Iterable[RunRow]) -> tuple[tuple[RunRow, ...], tuple[str, ...]]:
    """The runs to which the action can be done, and for each of the others a sentence why not."""
    possible, refused = [], []
    for row in rows:
        reason = refusal(action, row)
        if reason:
            refused.append(f"{safe(row.run_id, 60)}: {safe(reason, 200)}")
        else:
            possible.append(row)
    return tuple(possible), tuple(refused)


def for_each(rows: Iterable[RunRow], act: Callable[[RunRow], object]) -> Outcome:
    """Apply an action to each run; an error with one does not stop the others."""
    done, refused = [], []
    for row in rows:
        try:
            act(row)
        except RunsError as error:
            refused.append(f"{safe(row.run_id, 60)}: {_sentence(error)}")
        else:
            done.append(row.run_id)
    return Outcome(tuple(done), tuple(refused))


def _sentence(error: RunsError) -> str:
    """The error with the first of its next steps."""
    text = f"{error.title}: {error.detail}" if error.detail else error.title
    return safe(f"{text}; {error.next[0]}" if error.next else text, 300)


def stop(row: RunRow, *, after_epoch: bool) -> None:
    """Ask the trainer to save and stop; remove a queued run from the queue. Raises RunsError."""
    if row.status == "queued" and cancel(directory_of(row)):
        return
    send_request(directory_of(row), "stop_after_epoch" if after_epoch else "stop", by="app")


def resume_paused(row: RunRow) -> None:
    """Ask the trainer of a paused run to continue. Raises RunsError."""
    request(directory_of(row), "resume", by="app")


def restarts(rows: Iterable[RunRow]) -> tuple[str, ...]:
    """For each run that would train again from step 0 if it were resumed, a line that says what is lost."""
    lines = []
    for row in rows:
        with suppress(RunsError):  # reported when it is resumed
            run = directory_of(row)
            lost = None if row.status == "paused" else work_lost_by_resuming(run, view_run(run))
            if lost is not None and lost.restarts:
                lines.append(f"{safe(row.run_id, 50)}: {lost.text()}.")
    return tuple(lines)


def hold_or_release(row: RunRow) -> None:
    """Keep a queued run waiting even if a slot is free; let a held one start again. Raises RunsError."""
    run = directory_of(row)
    if not release(run):
        hold(run)


def put_first(row: RunRow) -> None:
    """Put a queued run before all others. Raises RunsError."""
    go_first(directory_of(row))


def delete(row: RunRow) -> None:
    """Delete the run with all of its files. Raises RunsError."""
    remove_run(directory_of(row))


def edit_tags(row: RunRow, *, add: Iterable[str], remove: Iterable[str]) -> None:
    """Give a run tags and remove others. Raises RunsError."""
    run = directory_of(row)
    write_annotations(run, retagged(read_annotations(run), add=add, remove=remove))


def write_note(row: RunRow, text: str) -> None:
    """Replace the note of a run. Raises RunsError."""
    run = directory_of(row)
    write_annotations(run, replace(read_annotations(run), note=text.strip()))


def restore_annotations(row: RunRow) -> None:
    """Give a run the tags and the note of `row`, which is from before a change. Raises RunsError."""
    write_annotations(directory_of(row), Annotations(row.tags, row.note))


def parse_tags(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tags to add and those to remove in "a b -c"; commas separate as spaces do."""
    words = text.replace(",", " ").split()
    return (
        tuple(word for word in words if not word.startswith("-")),
        tuple(word[1:] for word in words if word.startswith("-")),
    )


def tag_problem(text: str) -> str:
    """A sentence on the first of the typed words that cannot be a tag, or ""."""
    for word in (*parse_tags(text)[0], *parse_tags(text)[1]):
        try:
            check_tag(word)
        except BadTag as error:
            return f"{error.title}: {error.detail}"
    return ""


def name_some(ids: Iterable[str]) -> str:
    """The ids of runs for a sentence, only the first few where there are many."""
    every = [safe(one, 60) for one in ids]
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def count_and_name(ids: Iterable[str]) -> str:
    """ "a", or "3 runs (a, b, c)"."""
    every = tuple(ids)
    return name_some(every) if len(every) == 1 else f"{count(len(every), 'run')} ({name_some(every)})"
