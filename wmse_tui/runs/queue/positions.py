"""The positions of runs in the queue: read by displays, changed by hold, release, first and cancel."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wmse_tui.config.locations import queue_dir
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, NotQueued, RunsError, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.queue import slurm, tickets
from wmse_tui.runs.queue.gpu_slots import DeviceRequest, label, use_of
from wmse_tui.runs.queue.slurm_jobs import TIMEOUT_SECONDS
from wmse_tui.runs.queue.tickets import TicketEntry
from wmse_tui.runs.run_folder import remove_file
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count

_FRESH_SECONDS = 0.5
_LEAVING_SECONDS = 2.0
_NAMED = 3


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The position of a run in the queue.

    Args:
        state: "queued", or its position was "lost", or "dropped" because of another run; "failed": its job of
            SLURM has ended before it began.
        number: from 1 among all that wait on its machine; 0 where it does not wait.
        reason: what it waits for, or why it does not start, in short.
    """

    state: Literal["queued", "lost", "dropped", "failed"]
    number: int = 0
    reason: str = ""


def position_of(run: RunDirectory) -> QueuePosition | None:
    """The position of `run`; None where it was never queued or has left the queue. Never raises.

    A run that waits as a job of SLURM is queued too, without a number.
    """
    job = slurm.waiting_job(run)
    if job is not None and not job.never_starts:
        return QueuePosition("queued", reason=job.text())
    failed = slurm.failure_to_start(run)
    if failed:
        return QueuePosition("failed", reason=failed)
    try:
        run.queue_lock.lstat()
        waits = held(run.queue_lock)
        every = _cache.entries()
    except (LocksUnsupported, StorageError, OSError):  # also where there is none
        return None
    entry = tickets.of_run(run, every)
    if waits:
        if entry is None or not entry.locked:  # on another machine, or being written now
            return QueuePosition("queued")
        return QueuePosition("queued", number_of(entry, every), waiting_reason(entry, every))
    if entry is None:
        return None
    again = f"`wmse-tui queue again {safe(run.id, 64)}` queues it again"
    if entry.state == "dropped":
        return QueuePosition(
            "dropped", reason=f"not started: {entry.reason or 'a run before it failed'}; {again}"
        )
    return QueuePosition("lost", reason=f"its position in the queue was lost; {again}")


def number_of(entry: TicketEntry, every: tuple[TicketEntry, ...]) -> int:
    """The position of a locked ticket among those of its machine, from 1."""
    there = entry.ticket.host if entry.ticket is not None else ""
    line = [other for other in every if other.locked and other.ticket and other.ticket.host == there]
    return next((number for number, other in enumerate(line, 1) if other.inode == entry.inode), 0)


def waiting_reason(entry: TicketEntry, every: tuple[TicketEntry, ...], *, ask_gpu: bool = False) -> str:
    """What a locked ticket waits for."""
    ticket = entry.ticket
    assert ticket is not None
    where = "" if ticket.host == host() else f" on {safe(ticket.host, 64)}"
    match entry.state:
        case "held":
            return f"held{where}; `wmse-tui queue release {safe(Path(ticket.run).name, 64)}` lets it continue"
        case "after":
            names = [safe(Path(path).name, 64) for path in ticket.after]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            return f"after {', '.join(names[:_NAMED])}{more}{where}"
    number = number_of(entry, every)
    if number > 1 or where:
        return f"position {number} in the queue{where}{_behind_several(entry, every)}"
    uses = [use_of(slot, ask_gpu=ask_gpu) for slot in ticket.slots]
    named = "; ".join(dict.fromkeys(filter(None, uses)))
    if ticket.count > 1:
        free = f"{sum(not use for use in uses)} of {ticket.count} GPUs free"
        return f"next: {free}; {named}" if named else f"next: {free}"
    return f"next: {named}" if named else "next in the queue"


def reserved_for(slot: str, every: tuple[TicketEntry, ...]) -> str:
    """The id of the run for which a free slot of this machine stays free; "" for none.

    It is the first that wants the slot, and waits until as many as it needs are free.
    """
    first = next((entry for entry in every if entry.locked and entry.wants(slot)), None)
    if first is None or first.ticket is None or first.ticket.count == 1:
        return ""
    return safe(Path(first.ticket.run).name, 64)


def _behind_several(entry: TicketEntry, every: tuple[TicketEntry, ...]) -> str:
    """Name the run before `entry` that waits for several of the GPUs which it wants too; "" for none."""
    assert entry.ticket is not None
    for other in every[: every.index(entry)]:
        ticket = other.ticket
        if ticket and ticket.count > 1 and other.locked and any(map(other.wants, entry.ticket.slots)):
            return f", behind {safe(Path(ticket.run).name, 64)}, which waits for {ticket.count} GPUs"
    return ""


def busy_reason(wanted: DeviceRequest) -> str:
    """Why a run cannot start at once, in a sentence; "" where enough slots are free, beside those awaited.

    Raises:
        StorageError, LocksUnsupported.
    """
    line = [e for e in tickets.entries() if e.locked and any(map(e.wants, wanted.slots))]
    uses = {slot: use_of(slot) for slot in wanted.slots}
    needed = wanted.count + sum(entry.ticket.count for entry in line if entry.ticket is not None)
    if sum(not use for use in uses.values()) >= needed:
        return ""
    reasons = [f"{label(slot)} is {use}" for slot, use in uses.items() if use]
    if line:
        reasons.append(f"{count(len(line), 'run')} {'waits' if len(line) == 1 else 'wait'} in the queue")
    text = "; ".join(reasons)
    return f"{text[:1].upper()}{text[1:]}."


def lost_notice() -> str:
    """Begin a sentence on the runs that have lost their position; "" for none, or where that is unknown."""
    try:
        lost = sum(entry.lost and entry.ticket is not None for entry in tickets.entries())
    except RunsError:
        return ""
    runs = "1 run has lost its position" if lost == 1 else f"{lost} runs have lost their positions"
    return f"{runs} in the queue (after a reboot or a kill)" if lost else ""


def hold(run: RunDirectory) -> bool:
    """Let a waiting run wait, whatever is free, until it is released; False where it is held already.

    Raises:
        NotQueued, NotARun, ForeignRun, StorageError, LocksUnsupported.
    """
    return _changed(
        run, lambda entry: None if entry.state == "held" else tickets.renamed(entry, state="held")
    )


def release(run: RunDirectory) -> bool:
    """Let a held run wait for a slot again, at its position; False where it is not held. Raises as `hold`."""
    return _changed(
        run, lambda entry: tickets.renamed(entry, state="waiting") if entry.state == "held" else None
    )


def go_first(run: RunDirectory) -> bool:
    """Put a run before all that wait; False where it is first already. Raises as `hold`."""
    first = next((e for e in tickets.entries() if e.locked and e.run != run), None)

    def change(entry: TicketEntry) -> TicketEntry | None:
        if first is None or (entry.order, entry.path.name) < (first.order, first.path.name):
            return None
        return tickets.renamed(entry, order=max(0, first.order - 1))

    return _changed(run, change)


def cancel(run: RunDirectory, *, wait: bool = True) -> bool:
    """Remove a run from the queue, or the position that it lost, or cancel its job in SLURM.

    The run itself does not change.

    Args:
        run: a queued run.
        wait: until its process has noticed, less than a second; see `await_exits`.

    Returns:
        False where it got its slot meanwhile.

    Raises:
        NotQueued, SchedulerError, StorageError, LocksUnsupported.
    """
    require_own(run)
    entry = tickets.of_run(run, own=True)
    if entry is None and (job := slurm.job_of(run, patience=TIMEOUT_SECONDS)) and not job.ended:
        if slurm.is_running_elsewhere(run, job):
            raise NotQueued(
                f"run {run.id} trains in SLURM, as job {job.id}",
                "",
                next=(
                    f"stop it, which saves first and ends its job: wmse-tui stop {run.id}",
                    f"or end it at once: scancel {job.id}",
                ),
            )
        slurm.cancel_job(job, run)
        return True
    if entry is None:
        raise not_queued(run)
    while entry is not None and not tickets.remove_ticket(entry):
        entry = tickets.of_run(run, own=True)  # it had just moved
    _cache.forget()
    if entry is not None and entry.locked:
        if wait:
            await_exits((run,))
    else:
        with suppress(OSError, RunsError):
            if not held(run.queue_lock):
                remove_file(run.queue_lock)
    return entry is not None


def await_exits(runs: Iterable[RunDirectory]) -> None:
    """Wait until the processes of cancelled runs have removed their marks, but not for ever."""
    deadline = time.monotonic() + _LEAVING_SECONDS
    for run in runs:
        with suppress(RunsError):
            while held(run.queue_lock) and time.monotonic() < deadline:
                time.sleep(0.02)


def forget() -> None:
    """Discard the cached tickets, after a change."""
    _cache.forget()


def not_queued(run: RunDirectory) -> NotQueued:
    """The error for a run that is not in the queue."""
    queue_it = f"queue it, if it has not completed: wmse-tui resume {run.id} --queue"
    steps = (queue_it, "see the queue: wmse-tui queue")
    return NotQueued(f"run {run.id} is not in the queue", next=steps)


def _changed(run: RunDirectory, change: Callable[[TicketEntry], TicketEntry | None]) -> bool:
    require_own(run)
    for _ in range(10):
        entry = tickets.of_run(run, own=True)
        if entry is None and (job := slurm.waiting_job(run)) is not None:
            raise NotQueued(
                f"run {run.id} waits in SLURM, which decides on its order",
                job.text(),
                next=(f"see: scontrol show job {job.id}", f"cancel it: wmse-tui queue cancel {run.id}"),
            )
        if entry is None or not entry.locked:
            raise not_queued(run)
        before = entry.path
        changed = change(entry)
        _cache.forget()
        if changed is not None:
            return True
        if before.exists():
            return False  # nothing to change
    return False


class _TicketCache:
    """The tickets, read at most twice a second: a list of many queued runs needs them for each."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._read: tuple[float, str, tuple[TicketEntry, ...]] = (-_FRESH_SECONDS, "", ())

    def entries(self) -> tuple[TicketEntry, ...]:
        with self._guard:
            now, folder = time.monotonic(), os.fspath(queue_dir())
            if folder != self._read[1] or now - self._read[0] >= _FRESH_SECONDS:
                self._read = (now, folder, tickets.entries())
            return self._read[2]

    def forget(self) -> None:
        with self._guard:
            self._read = (-_FRESH_SECONDS, "", ())


_cache = _TicketCache()
