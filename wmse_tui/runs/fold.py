"""From the records of a log to the picture of a run, one record at a time and nothing else.

The same records give the same view, whoever folds them and however they arrive. A record that this version
does not know changes nothing but the place reached in the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from wmse_tui.runs.events import (
    Attempt,
    Checkpoint,
    Control,
    Epoch,
    Error,
    Evaluation,
    Exit,
    Notice,
    Phase,
    Record,
    Steps,
)
from wmse_tui.runs.pace import Pace
from wmse_tui.runs.view import RunView

KEPT_NOTICES = 200
KEPT_CONTROLS = 100


def fold(view: RunView, record: Record) -> RunView:
    """The view after `record`."""
    changes: dict[str, Any] = {"seq": record.seq, "updated": record.t}
    if view.started is None:
        changes["started"] = record.t
    if record.attempt > view.attempt:
        view = _next_attempt(view, record)
    return replace(view, **changes, **_changes(view, record))


def fold_all(view: RunView, records: Iterable[Record]) -> RunView:
    """The view after all of `records`."""
    for record in records:
        view = fold(view, record)
    return view


def _next_attempt(view: RunView, record: Record) -> RunView:
    """Somebody trains the run again: how the earlier attempt ended no longer matters."""
    return replace(
        view,
        attempt=record.attempt,
        attempt_started=record.t,
        phase=None,
        error=None,
        exit=None,
        images_per_second=None,
        pace=Pace(),
    )


def _changes(view: RunView, record: Record) -> dict[str, Any]:
    """What the event of `record` changes."""
    match record.event:
        case Steps() as event:
            return _steps(view, record, event)
        case Attempt() as event:
            return _attempt(view, event)
        case Phase() as event:
            same = view.phase is not None and view.phase.name == event.name
            return {"phase": event} if same else {"phase": event, "pace": view.pace.interrupted()}
        case Epoch() as event:
            rows = (*(row for row in view.epoch_rows if row.epoch != event.epoch), event)
            speed = event.images_per_second or view.images_per_second
            return {"epoch_rows": rows, "epoch": event.epoch, "images_per_second": speed}
        case Evaluation() as event:
            # Several within an epoch count it alike; only that of the same step is the same one done again.
            others = (other for other in view.evaluations if other.step != event.step)
            return {"evaluations": (*others, event), "pace": view.pace.interrupted()}
        case Checkpoint() as event:
            others_saved = (other for other in view.checkpoints if other.file != event.file)
            return {"checkpoints": (*others_saved, event)}
        case Notice() as event:
            return {"notices": (*view.notices, event)[-KEPT_NOTICES:]}
        case Control() as event:
            return {"controls": (*view.controls, event)[-KEPT_CONTROLS:]}
        case Error() as event:
            return {"error": event}
        case Exit() as event:
            return {"exit": event, "phase": None}
        case _:
            return {}


def _steps(view: RunView, record: Record, event: Steps) -> dict[str, Any]:
    try:
        loss = view.loss.extended(event.first, event.loss)
    except ValueError:  # a step far beyond the last one: damage that is still valid JSON
        return {"unreadable": view.unreadable + 1}
    step = event.first + len(event.loss) - 1
    return {
        "loss": loss,
        "step": step,
        "lr": event.lr[-1] if event.lr else view.lr,
        "parts": tuple((name, values[-1]) for name, values in event.parts if values) or view.parts,
        "images_per_second": event.images_per_second or view.images_per_second,
        "pace": view.pace.reported(record.t, step),
    }


def _attempt(view: RunView, event: Attempt) -> dict[str, Any]:
    """Training goes on after `resume_step`; what an earlier attempt did beyond it is done again."""
    last = event.resume_step
    rows = tuple(row for row in view.epoch_rows if row.step <= last)
    return {
        "setup": event,
        "loss": view.loss.truncated(last),
        "step": last,
        "epoch": rows[-1].epoch if rows else last // max(1, event.steps_per_epoch),
        "epoch_rows": rows,
        "evaluations": tuple(e for e in view.evaluations if e.step <= last),
        "checkpoints": tuple(c for c in view.checkpoints if c.step <= last),
        "error": None,
        "exit": None,
        "pace": Pace(),
    }
