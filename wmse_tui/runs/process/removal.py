"""Removing a run: only what a run made, and only while no trainer holds it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from wmse_tui.runs.directory import FILES, FOLDERS, OTHER_FOLDERS, RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, NotARun, RunBusy, RunQueued, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.process.identity import is_running, own_trainer
from wmse_tui.runs.process.lock import RunLock, held
from wmse_tui.runs.queue.slurm import require_no_job
from wmse_tui.runs.run_folder import RunFolder
from wmse_tui.runs.text.sanitize import safe

LEFTOVERS = (
    ".nfs",  # a file that was removed while it was open, on NFS
    ".fuse_hidden",  # and on FUSE
    "._",  # the attributes of a file, on a file system without them (macOS)
)
"""How the names begin of what file systems leave beside the files of a run."""
CACHES = (".DS_Store", "Thumbs.db", "desktop.ini", ".directory", ".ipynb_checkpoints")
"""What programs that browse a folder leave in it: views and copies of what is there."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk without space: removing a run is what they advise."""


def require_removable(run: RunDirectory) -> None:
    """Refuse what is not a run of this user, or has more in it than a run makes.

    Raises:
        NotARun: it is a link, no run made it, or there are files of other origin in it.
        ForeignRun: it belongs to another user.
        StorageError: it cannot be read.
    """
    require_own(run, folders=())
    where = safe(str(run.path), 200)
    if not run.is_run():
        raise NotARun(
            "this directory is not a run", f"{where} has no config.yaml with control/ and checkpoints/"
        )
    try:
        foreign = sorted(safe(name, 60) for name in _foreign(run))
    except OSError as error:
        raise StorageError.of("read the run", run.path, error) from error
    if foreign:
        raise NotARun(
            "the directory has files that no run made",
            f"{where}: {', '.join(foreign[:5])}",
            next=("move these elsewhere, then remove the run",),
        )


def remove_run(run: RunDirectory) -> None:
    """Delete a run that no trainer holds, with everything in it; of a link in it, the link.

    The directory first gets a hidden name, if there is space for one, so that an interruption leaves no half
    of a run in the list.

    Raises:
        NotARun, ForeignRun: as `require_removable`.
        RunBusy, RunQueued: a trainer holds it, or it waits for one.
        StorageError: it cannot be deleted.
    """
    require_removable(run)
    with suppress(LocksUnsupported, StorageError):  # what is no lock file is held by no process
        if held(run.queue_lock):
            raise RunQueued(run.id)
    require_no_job(run)
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(RunFolder(run.path, own=True))
            _remove_false_lock(run, folder)
        except OSError as error:
            raise StorageError.of("remove the run", run.path, error) from error
        try:
            stack.enter_context(RunLock(run))  # no trainer starts in a run that is being removed
        except LocksUnsupported:
            process = own_trainer(run)
            if process is not None and is_running(process) is not False:
                detail = f"process {process.pid} on {safe(process.host, 64)}"
                raise RunBusy(f"run {run.id} seems to be training", detail, run=run.id) from None
        except StorageError as error:
            if getattr(error.__cause__, "errno", None) not in FULL:
                raise  # else the lock is missing, and no trainer can make one either
        try:
            path = _hidden(run.path)
            if path != run.path:  # no trainer finds it now
                stack.close()  # NFS and FUSE keep a removed file under another name as long as it is open
            shutil.rmtree(path)  # which follows no link
        except OSError as error:
            raise StorageError.of("remove the run", run.path, error) from error


def _hidden(path: Path) -> Path:
    """Give the directory a hidden name; returns its path then."""
    hidden = path.with_name(f".removed-{path.name}-{secrets.token_hex(4)}")
    try:
        return path.rename(hidden)
    except OSError as error:
        if error.errno in FULL:  # of Btrfs, which renames into new blocks
            return path
        raise


def bytes_of(run: RunDirectory) -> int:
    """The size of a run's files, links not followed; those that cannot be read count nothing."""
    total = 0
    for folder, _, names in os.walk(run.path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 (thousands of files)
    return total


def _remove_false_lock(run: RunDirectory, folder: RunFolder) -> None:
    """Remove what is no lock of this run alone, if no process holds it: no trainer starts with it."""
    with suppress(FileNotFoundError):
        about = folder.status(run.lock.name)
        if stat.S_ISREG(about.st_mode) and (about.st_nlink == 1 or held(run.lock)):
            return
        folder.remove(run.lock.name)


def _foreign(run: RunDirectory) -> Iterator[str]:
    """What is in the directory of a run and was made by none."""
    with RunFolder(run.path) as folder:
        for name in folder.names():
            is_folder = stat.S_ISDIR(folder.status(name).st_mode)
            if is_folder and name in FOLDERS:
                with RunFolder(run.path / name) as inner:
                    yield from (
                        f"{name}/{entry}"
                        for entry in inner.names()
                        if stat.S_ISDIR(inner.status(entry).st_mode) and entry not in CACHES
                    )
            elif (is_folder and name in OTHER_FOLDERS) or name in CACHES:  # with folders of other programs
                continue
            elif is_folder or not (
                name in (*FILES, *FOLDERS) or name.endswith(".tmp") or name.startswith(LEFTOVERS)
            ):
                yield name
