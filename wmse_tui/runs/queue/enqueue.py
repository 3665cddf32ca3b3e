"""Putting a run into the queue: a ticket, and a process that holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LaunchError, NotARun, RunBusy, RunQueued, RunsError, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.process.launch import devices_of, start_detached
from wmse_tui.runs.process.lock import acquire_lock, held
from wmse_tui.runs.queue import positions, tickets
from wmse_tui.runs.queue.gpu_slots import DeviceRequest, device_request
from wmse_tui.runs.queue.waiter import first_command
from wmse_tui.runs.run_folder import append_to_file, remove_file
from wmse_tui.runs.text.sanitize import safe


def enqueue(
    run: RunDirectory,
    *,
    after: tuple[RunDirectory, ...] = (),
    wanted: DeviceRequest | None = None,
    python: str | Path = sys.executable,
) -> subprocess.Popen[bytes]:
    """Start or resume `run` as soon as a slot is free, after all runs that were queued before.

    The waiting process depends on no terminal, session or parent process. It becomes the trainer. A lost
    position of the same run is replaced by the new one.

    Args:
        run: complete, without a trainer.
        after: runs that must complete first.
        wanted: where it may train; None: as its configuration and CUDA_VISIBLE_DEVICES allow.
        python: the trainer's interpreter.

    Raises:
        NotARun, ForeignRun, RunBusy, RunQueued, LocksUnsupported: it must not be queued.
        TooFewSlots, LaunchError, StorageError: it cannot be.
    """
    if not run.is_run():
        raise NotARun("there is no run to train", safe(str(run.path), 200))
    require_own(run)
    if held(run.lock):
        raise RunBusy(f"run {run.id} is being trained already", run=run.id)
    wanted = wanted or device_request(*devices_of(run))
    mark = acquire_lock(run.queue_lock)
    if mark is None:
        raise RunQueued(run.id)
    ticket: int | None = None
    path: Path | None = None
    try:
        os.utime(mark)  # a list of runs reads the run again
        for entry in tickets.entries():
            if entry.own and entry.ticket is not None and entry.ticket.run == str(run.path):
                tickets.remove_ticket(entry)
        path, ticket = tickets.write_ticket(run, wanted, after=after)
        positions.forget()
        command = first_command(run, ticket, mark, python)
        try:
            log = append_to_file(run.trainer_log)
        except OSError as error:
            raise StorageError.of("open the trainer's log", run.trainer_log, error) from error
        try:
            return start_detached(command, log, inherit=(ticket, mark))
        except OSError as error:
            raise LaunchError(
                "the waiting process cannot be started", error.strerror or str(error)
            ) from error
    except RunsError:
        with suppress(OSError):
            remove_file(run.queue_lock)
        if path is not None:
            with suppress(OSError):
                path.unlink()
        raise
    finally:  # the waiting process holds them from here on
        for descriptor in (ticket, mark):
            if descriptor is not None:
                os.close(descriptor)
