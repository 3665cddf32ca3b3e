"""Is a trainer running this run? Judged from the log's exit event, the lock, and the age of the log.

    exit event   lock      age of the log          status
    yes          free      -                       completed, stopped, diverged, failed
    any          free      -                       queued, where a process holds `queue.lock`
    no           held      within patience         running (or paused)
    no           held      beyond                  stalled
    no           free      -                       crashed; starting for the first minute after a launch
    no           free, of another machine: the lock may not reach this one
                           within patience         running
                           within CLOCK_TOLERANCE  unknown
                           beyond                  crashed (unknown where the filesystem has no locks)

The age of the log is measured by the time of its last record, so every viewer judges alike, also one that has
only just come. The clocks of two machines may differ: those of machines that share files agree to a few
minutes, and a run of another machine gets CLOCK_TOLERANCE more. A viewer that sees the log grow measures
from then on by its own clock; so does one to which the last record is in the future.

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
CLOCK_TOLERANCE = 300.0
"""Seconds by which the clocks of two machines may differ: what Kerberos tolerates, which clusters rely on."""


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
    place: Place | None = None  # in the queue


def gather_evidence(run: RunDirectory, *, since_growth: float = 0.0) -> Evidence:
    """Check lock and process now; takes and changes nothing."""
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
        place=place_of(run),
    )


def judged_by_log(run: RunDirectory) -> bool:
    """Whether nothing but the log can show that a trainer runs it: another machine's, and no lock is seen."""
    evidence = gather_evidence(run)
    return not evidence.local and not evidence.lock_held


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


def _stands_still(view: RunState, evidence: Evidence) -> bool:
    tolerance = 0.0 if evidence.local else CLOCK_TOLERANCE
    return evidence.since_growth > patience(view) + tolerance


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
    if not busy and _stands_still(view, evidence):
        where = ""
        if process is not None and evidence.local:
            where = f"; `kill -QUIT {process.pid}` writes into trainer.log where it hangs"
        return "stalled", f"nothing was logged for {evidence.since_growth // 60:.0f} min{where}"
    return "running", ""


def _without_trainer(view: RunState, evidence: Evidence) -> tuple[Status, str]:
    trainer = evidence.trainer
    process = trainer.process if trainer is not None else None
    if not evidence.local and process is not None:  # the lock may not reach this machine
        if evidence.since_growth <= patience(view):
            return "running", f"on {process.host}"
        if not _stands_still(view, evidence):
            minutes = evidence.since_growth // 60
            return "unknown", f"it ran on {process.host}, and nothing was logged for {minutes:.0f} min"
        status: Status = "unknown" if evidence.lock_held is None else "crashed"
        return status, f"it ran on {process.host}, and nothing more was logged"
    who = f"process {process.pid}" if process is not None else "the trainer"
    return "crashed", f"{who} is gone without a last word"


def _last_word(view: RunState) -> tuple[Status, str] | None:
    if view.exit is not None:
        return view.exit.status, view.error.title if view.error is not None else ""
    if view.error is not None:
        return "failed", view.error.title
    return None
