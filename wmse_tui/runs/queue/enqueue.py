"""Putting a run into the queue: a ticket, and a process that holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from wmse_tui.config.atomic import append_private
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LaunchError, NotARun, RunBusy, RunQueued, RunsError, StorageError
from wmse_tui.runs.process.launch import device_of, start_detached
from wmse_tui.runs.process.lock import held, take
from wmse_tui.runs.queue import status, tickets
from wmse_tui.runs.queue.gpu_slots import DeviceRequest, device_request
from wmse_tui.runs.text.sanitize import safe


def enqueue(
    run: RunDirectory,
    *,
    after: tuple[RunDirectory, ...] = (),
    wanted: DeviceRequest | None = None,
    python: str | Path = sys.executable,
) -> subprocess.Popen[bytes]:
    """Have `run` start, or go on, as soon as a slot is free, after all that was queued before.

    The process that waits needs nobody: no terminal, no session, not this process. It becomes the trainer.
    A place of the same run that was lost is given up for the new one.

    Args:
        run: whole, and trained by nobody.
        after: runs that must complete first.
        wanted: where it may train; None: what its configuration and CUDA_VISIBLE_DEVICES say.
        python: the trainer's interpreter.

    Raises:
        NotARun, RunBusy, RunQueued, LocksUnsupported: it must not be queued.
        LaunchError, StorageError: it cannot be.
    """
    if not run.is_run():
        raise NotARun("there is no run to train", safe(str(run.path), 200))
    if held(run.lock):
        raise RunBusy(f"run {run.id} is being trained already", run=run.id)
    mark = take(run.queue_lock)
    if mark is None:
        raise RunQueued(run.id)
    ticket: int | None = None
    path: Path | None = None
    try:
        os.utime(mark)  # a list looks again at what has changed
        for entry in tickets.entries():
            if entry.ticket is not None and entry.ticket.run == str(run.path):
                tickets.remove(entry)
        path, ticket = tickets.write_ticket(run, wanted or device_request(device_of(run)), after=after)
        status.forget()
        try:
            log = append_private(run.trainer_log)
        except OSError as error:
            raise StorageError.of("open the trainer's log", run.trainer_log, error) from error
        words = ["-P", "-u", "-m", "wmse_tui.runs.queue", str(run.path), str(ticket), str(mark), str(python)]
        try:
            return start_detached([sys.executable, *words], log, keep=(ticket, mark))
        except OSError as error:
            raise LaunchError(
                "the waiting process cannot be started", error.strerror or str(error)
            ) from error
    except RunsError:
        for made in (path, run.queue_lock):
            if made is not None:
                with suppress(OSError):
                    made.unlink()
        raise
    finally:  # who waits holds them from here on
        for descriptor in (ticket, mark):
            if descriptor is not None:
                os.close(descriptor)
