"""Is anybody training this run? The log's last word, the lock, and whether the log still grows.

    last word   lock   growing               state
    yes         free   -                     completed, stopped, diverged, failed
    any         free   -                     queued, where somebody holds `queue.lock`
    no          held   yes                   running (or paused)
    no          held   no, for long          stalled
    no          free   -                     crashed; starting for the first minute after a launch
    no          unknown                      told from the process, or from the growth alone

"Growing" is measured by whoever looks, on a clock of their own, so that the clocks of two machines
need not agree.
A process id is never the proof of life: a zombie has one, and so has its successor.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, StorageError
from wmse_tui.runs.process.identity import TrainerRecord, host, is_alive, is_suspended, read_trainer
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.queue.status import Place, place_of
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status

PATIENCE = 60.0  # seconds without growth, and from a launch to the trainer's own word
PATIENCE_STEPS = 20  # without growth, where steps are slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What can be seen of a run besides its log."""

    lock_held: bool | None  # None: this filesystem cannot say
    trainer: TrainerRecord | None
    alive: bool | None = None  # the trainer's process; None: not to be told from this machine
    suspended: bool = False
    local: bool = True  # the trainer is of this machine
    since_launch: float = 0.0  # seconds
    since_growth: float = 0.0  # seconds
    grew: bool = False  # while somebody watched
    place: Place | None = None  # in the queue


def gather_evidence(run: RunDirectory, *, since_growth: float = 0.0, grew: bool = False) -> Evidence:
    """Look at lock and process now; takes and changes nothing."""
    try:
        lock_held: bool | None = held(run.lock)
    except (LocksUnsupported, StorageError):
        lock_held = None
    trainer = read_trainer(run)
    process = trainer.process if trainer is not None else None
    return Evidence(
        lock_held=lock_held,
        trainer=trainer,
        alive=is_alive(process) if process is not None else None,
        suspended=process is not None and is_suspended(process),
        local=trainer is None or trainer.host == host(),
        since_launch=max(0.0, time.time() - trainer.time) if trainer is not None else 0.0,
        since_growth=since_growth,
        grew=grew,
        place=place_of(run),
    )


def status_of(view: RunState, evidence: Evidence) -> tuple[Status, str]:
    """The state of the run, and a few words on why where that is not plain."""
    if evidence.lock_held or (evidence.lock_held is None and evidence.alive):
        return _with_trainer(view, evidence)
    place = evidence.place
    if place is None:
        return _alone(view, evidence)
    if place.state == "queued":
        return "queued", place.reason
    state, _ = _alone(view, evidence)
    return state, place.reason


def _alone(view: RunState, evidence: Evidence) -> tuple[Status, str]:
    """The state of a run that nobody holds and that does not wait."""
    trainer = evidence.trainer
    if trainer is not None and trainer.process is None:
        if evidence.since_launch < PATIENCE:
            return "starting", ""
        state, _ = _last_word(view) or ("crashed", "")
        return state, "the last start came to nothing; trainer.log may say why"
    spoke = trainer is None or view.attempt >= trainer.attempt
    if spoke and (word := _last_word(view)) is not None:
        return word
    if trainer is None and view.seq == 0:
        return "new", ""
    if evidence.alive:
        return "starting", ""
    return _without_trainer(view, evidence)


def patience(view: RunState) -> float:
    """Seconds without growth after which a training run counts as stalled."""
    return max(PATIENCE, PATIENCE_STEPS * (view.pace.median_seconds or 0.0))


def _with_trainer(view: RunState, evidence: Evidence) -> tuple[Status, str]:
    trainer = evidence.trainer
    process = trainer.process if trainer is not None else None
    if process is not None and evidence.suspended:
        return "stalled", f"process {process.pid} is suspended; `kill -CONT {process.pid}` lets it go on"
    if trainer is not None and (process is None or trainer.attempt > view.attempt):
        return "starting", ""
    word = _last_word(view)
    if word is not None and view.exit is not None:
        return word  # the process is about to leave
    busy = view.phase is not None and view.phase.name not in ("train", "start", "trial")
    if view.phase is not None and view.phase.name == "paused":
        return "paused", ""
    if not busy and evidence.since_growth > patience(view):
        where = ""
        if process is not None and evidence.local:
            where = f"; `kill -QUIT {process.pid}` writes into trainer.log where it hangs"
        return "stalled", f"nothing was logged for {evidence.since_growth // 60:.0f} min{where}"
    return "running", ""


def _without_trainer(view: RunState, evidence: Evidence) -> tuple[Status, str]:
    trainer = evidence.trainer
    process = trainer.process if trainer is not None else None
    if not evidence.local and process is not None:  # the lock may not reach this machine
        place = f"on {process.host}"
        if evidence.since_growth < patience(view):
            if evidence.grew:
                return "running", place
            return "unknown", f"it ran {place}; wait and see whether its log grows"
        return (
            "unknown" if evidence.lock_held is None else "crashed"
        ), f"it ran {place}, and its log stands still"
    who = f"process {process.pid}" if process is not None else "the trainer"
    return "crashed", f"{who} is gone without a last word"


def _last_word(view: RunState) -> tuple[Status, str] | None:
    if view.exit is not None:
        return view.exit.status, view.error.title if view.error is not None else ""
    if view.error is not None:
        return "failed", view.error.title
    return None
