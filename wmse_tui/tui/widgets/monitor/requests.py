"""What was asked of a trainer from here, and what became of it: told from the log's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wmse_tui.runs.log.events import Control
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import WITHOUT_TRAINER
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import clock

Course: TypeAlias = Literal["waiting", "good", "bad"]

NAMES = {
    "stop": "stop",
    "stop_after_epoch": "stop after this epoch",
    "pause": "pause",
    "resume": "go on",
    "checkpoint": "checkpoint",
    "evaluate": "evaluate",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was left in a run: the id of its answer, when, and for which attempt."""

    id: str
    command: str
    time: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Word:
    """A sentence on a request, fit for a terminal, and how it goes."""

    text: str
    course: Course


def words_on(asked: Sequence[Asked], view: RunState) -> tuple[Word, ...]:
    """What became of requests, the newest first; what an earlier attempt obeyed is no news."""
    return tuple(word_on(one, view) for one in reversed(asked) if not _is_over(one, view))


def _is_over(asked: Asked, view: RunState) -> bool:
    answer = answer_to(asked, view)
    return view.attempt > asked.attempt and answer is not None and answer.outcome != "refused"


def word_on(asked: Asked, view: RunState) -> Word:
    """What became of a request so far."""
    name = NAMES.get(asked.command, asked.command)
    answer = answer_to(asked, view)
    if answer is None:
        if view.status in WITHOUT_TRAINER:
            return Word(f"{name}: asked {clock(asked.time)}; the run ended before it answered", "bad")
        return Word(f"{name}: asked {clock(asked.time)}, waiting", "waiting")
    why = f": {safe(answer.text, 160)}" if answer.text else ""
    came_true = asked.command == "pause" and view.status == "paused"
    if answer.outcome == "accepted" and (came_true or view.status in WITHOUT_TRAINER):
        return Word(f"{name}: accepted, and the run is {view.status}", "good")
    course: Course = {"done": "good", "accepted": "waiting"}.get(answer.outcome, "bad")  # type: ignore[assignment]
    return Word(f"{name}: {answer.outcome}{why}", course)


def answer_to(asked: Asked, view: RunState) -> Control | None:
    """The newest answer to a request."""
    return next((control for control in reversed(view.controls) if control.id == asked.id), None)
