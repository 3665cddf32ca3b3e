"""Removing a run: only what a run made, and only while no trainer holds it."""

from __future__ import annotations

import secrets
import shutil
from contextlib import ExitStack, suppress

from wmse_tui.runs.directory import FILES, FOLDERS, RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, NotARun, RunBusy, RunQueued, StorageError
from wmse_tui.runs.process.identity import is_running, own_trainer
from wmse_tui.runs.process.lock import RunLock, held
from wmse_tui.runs.text.sanitize import safe


def remove_run(run: RunDirectory) -> None:
    """Delete a run that no trainer holds, with everything in it.

    The directory first gets a hidden name, so that an interruption leaves no half of a run in the list.

    Raises:
        NotARun: it is a link, no run made it, or there are files of other origin in it.
        RunBusy, RunQueued: a trainer holds it, or it waits for one.
        StorageError: it cannot be deleted.
    """
    _refuse_foreign(run)
    with suppress(LocksUnsupported):
        if held(run.queue_lock):
            raise RunQueued(run.id)
    with ExitStack() as stack:
        try:
            stack.enter_context(RunLock(run))  # no trainer starts in a run that is being removed
        except LocksUnsupported:
            process = own_trainer(run)
            if process is not None and is_running(process) is not False:
                detail = f"process {process.pid} on {safe(process.host, 64)}"
                raise RunBusy(f"run {run.id} seems to be training", detail, run=run.id) from None
        hidden = run.path.with_name(f".removed-{run.id}-{secrets.token_hex(4)}")
        try:
            run.path.rename(hidden)
            shutil.rmtree(hidden)
        except OSError as error:
            raise StorageError.of("remove the run", run.path, error) from error


def _refuse_foreign(run: RunDirectory) -> None:
    where = safe(str(run.path), 200)
    if run.path.is_symlink():
        raise NotARun("this is a link to a directory, not a run", where, next=("name the directory itself",))
    if not run.is_run():
        raise NotARun(
            "this directory is not a run", f"{where} has no config.yaml with control/ and checkpoints/"
        )
    known = {*FILES, *FOLDERS}
    foreign = sorted(
        safe(entry.name, 60)
        for entry in run.path.iterdir()
        if entry.name not in known and not entry.name.endswith(".tmp") and not entry.name.startswith(".nfs")
    )
    if foreign:
        raise NotARun(
            "the directory has files that no run made",
            f"{where}: {', '.join(foreign[:5])}",
            next=("move these elsewhere, then remove the run",),
        )
