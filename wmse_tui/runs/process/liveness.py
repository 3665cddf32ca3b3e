"""Is a trainer running this run? Judged from the log's exit event, the lock, and the age of the log.

    exit event   lock      age of the log          status
    yes          free      -                       completed, stopped, diverged, failed
    any          free      -                       queued, where a process holds `queue.lock`, or a job waits
    none         free      -                       new; failed where a job ended before the run began
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
from then on by its own clock; so does one for which the last record is in the future.

A process id proves nothing: a zombie has one, and so has a later process.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, StorageError
from wmse_tui.runs.process.identity import (
    TrainerRecord,
    host,
    is_copied,
    is_running,
    is_suspended,
    read_trainer,
)
from wmse_tui.runs.process.lock import held, held_by
from wmse_tui.runs.queue.positions import QueuePosition, position_of
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status

PATIENCE = 60.0  # seconds without growth, and from a launch to the trainer's own record
PATIENCE_STEPS = 20  # without growth, where steps are slow
CLOCK_TOLERANCE = 300.0
"""Seconds by which the clocks of two machines may differ: what Kerberos tolerates, which clusters rely on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerEvidence:
    """What is known of a run besides its log."""

    lock_held: bool | None  # None: this filesystem has no locks
    trainer: TrainerRecord | None
    process_running: bool | None = None  # None: unknown on this machine
    identified: bool = False  # the recorded process holds the lock; checked where a text is to name it
    suspended: bool = False
    local: bool = True  # the trainer is of this machine
    copied: bool = False  # the record came with a copy of another directory
    since_launch: float = 0.0  # seconds
    since_growth: float = 0.0  # seconds
    position: QueuePosition | None = None  # in the queue


def gather_evidence(run: RunDirectory, *, since_growth: float = 0.0) -> TrainerEvidence:
    """Check lock and process now; takes and changes nothing."""
    try:
        lock_held: bool | None = held(run.lock)
    except (LocksUnsupported, StorageError):
        lock_held = None
    trainer = read_trainer(run)
    process = trainer.process if trainer is not None else None
    copied = trainer is not None and is_copied(run, trainer)
    if copied:
        process = None
    suspended = process is not None and is_suspended(process)
    identified = bool(
        process is not None
        and lock_held
        and (suspended or since_growth > PATIENCE)
        and held_by(run.lock, process.pid)
    )
    return TrainerEvidence(
        lock_held=lock_held,
        trainer=trainer,
        process_running=False if copied else is_running(process) if process is not None else None,
        identified=identified,
        suspended=suspended and identified,
        copied=copied,
        local=trainer is None or trainer.host == host(),
        since_launch=_since(trainer.time) if trainer is not None else 0.0,
        since_growth=since_growth,
        position=None if lock_held else position_of(run),
    )


def _since(moment: float) -> float:
    """Seconds since a recorded time; one far in the future is of a clock that has been corrected."""
    seconds = time.time() - moment
    return max(0.0, seconds) if seconds > -CLOCK_TOLERANCE else math.inf


def judged_by_log(run: RunDirectory) -> bool:
    """Whether only the log can show a trainer: it is of another machine, and its lock is not seen."""
    evidence = gather_evidence(run)
    return not evidence.local and not evidence.lock_held


def status_of(run_state: RunState, evidence: TrainerEvidence) -> tuple[Status, str]:
    """The status of the run, and its reason in short where that is not obvious."""
    if evidence.lock_held or (evidence.lock_held is None and evidence.process_running):
        return _with_trainer(run_state, evidence)
    position = evidence.position
    if position is None:
        return _without_lock(run_state, evidence)
    if position.state == "queued":
        return "queued", position.reason
    status, _ = _without_lock(run_state, evidence)
    if position.state == "failed" and status == "new":
        status = "failed"
    return status, position.reason


def _without_lock(run_state: RunState, evidence: TrainerEvidence) -> tuple[Status, str]:
    """The status of a run that no process holds and that is not queued."""
    trainer = evidence.trainer
    if trainer is not None and trainer.process is None and not evidence.copied:
        if evidence.since_launch < PATIENCE:
            return "starting", ""
        status, _ = _reported_end(run_state) or ("crashed", "")
        return status, "the last start failed; trainer.log may show why"
    reported = trainer is None or run_state.attempt >= trainer.attempt
    if reported and (end := _reported_end(run_state)) is not None:
        return end
    if trainer is None and run_state.seq == 0:
        return "new", ""
    if evidence.process_running:
        return "starting", ""
    return _without_trainer(run_state, evidence)


def patience(run_state: RunState) -> float:
    """Seconds without growth after which a training run counts as stalled."""
    return max(PATIENCE, PATIENCE_STEPS * (run_state.pace.median_seconds or 0.0))


def _has_stalled(run_state: RunState, evidence: TrainerEvidence) -> bool:
    tolerance = 0.0 if evidence.local else CLOCK_TOLERANCE
    return evidence.since_growth > patience(run_state) + tolerance


def _with_trainer(run_state: RunState, evidence: TrainerEvidence) -> tuple[Status, str]:
    trainer = evidence.trainer
    process = trainer.process if trainer is not None else None
    if process is not None and evidence.suspended:
        return "stalled", f"process {process.pid} is suspended; `kill -CONT {process.pid}` lets it continue"
    if trainer is not None and (process is None or trainer.attempt > run_state.attempt):
        return "starting", ""
    end = _reported_end(run_state)
    if end is not None and run_state.exit is not None:
        return end  # the process is about to exit
    busy = run_state.phase is not None and run_state.phase.name not in ("train", "start", "trial")
    if run_state.phase is not None and run_state.phase.name == "paused":
        return "paused", ""
    if not busy and _has_stalled(run_state, evidence):
        where = ""
        if process is not None and evidence.identified:
            where = f"; `kill -QUIT {process.pid}` writes into trainer.log where it hangs"
        return "stalled", f"nothing was logged for {evidence.since_growth // 60:.0f} min{where}"
    return "running", ""


def _without_trainer(run_state: RunState, evidence: TrainerEvidence) -> tuple[Status, str]:
    trainer = evidence.trainer
    process = trainer.process if trainer is not None else None
    if not evidence.local and process is not None:  # the lock may not reach this machine
        if evidence.since_growth <= patience(run_state):
            return "running", f"on {process.host}"
        if not _has_stalled(run_state, evidence):
            minutes = evidence.since_growth // 60
            return "unknown", f"it ran on {process.host}, and nothing was logged for {minutes:.0f} min"
        status: Status = "unknown" if evidence.lock_held is None else "crashed"
        return status, f"it ran on {process.host}, and nothing more was logged"
    if evidence.copied:
        return "crashed", "a copy, made before the original had an exit event; no process trains it here"
    ended = f"process {process.pid}" if process is not None else "the trainer"
    return "crashed", f"{ended} ended without an exit event"


def _reported_end(run_state: RunState) -> tuple[Status, str] | None:
    if run_state.exit is not None:
        return run_state.exit.status, run_state.error.title if run_state.error is not None else ""
    if run_state.error is not None:
        return "failed", run_state.error.title
    return None
