"""Signals to a trainer: to the process that holds the run's lock, whatever a file of the run names."""

from __future__ import annotations

import signal

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.identity import is_suspended, own_trainer, send_signal
from wmse_tui.runs.process.lock import held_by


def send_request(run: RunDirectory, command: str, *, by: str) -> str:
    """Write a request to the trainer; the id under which the log will answer it.

    Where it cannot be written, as on a full disk, and is "stop", the trainer gets SIGTERM, which it obeys
    likewise. The id is empty then.

    Raises:
        NotARun, ForeignRun: the run is not this user's.
        StorageError: it cannot be written, and no signal replaces it.
    """
    try:
        return request(run, command, by=by)
    except StorageError:
        if command != "stop" or not terminate_trainer(run):
            raise
        return ""


def terminate_trainer(run: RunDirectory) -> bool:
    """Send SIGTERM to the trainer of `run`, and let a suspended one handle it.

    False, and no signal sent, where the process is not known or not proven to train this run: it is of
    another machine or user, does not hold the lock, or the system does not show that it does.
    """
    process = own_trainer(run)
    if process is None or not held_by(run.lock, process.pid):
        return False
    suspended = is_suspended(process)
    sent = send_signal(process, signal.SIGTERM)
    if sent and suspended:
        send_signal(process, signal.SIGCONT)  # a suspended process handles no other signal
    return sent
