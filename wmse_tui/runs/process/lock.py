"""The lock that shows that a trainer is running: the kernel frees it the moment the process ends.

It is an open-file-description lock on `trainer.lock`. Unlike a process's own record locks it survives a close
of the same file elsewhere in the process, and unlike flock it can be tested without being acquired, so that a
viewer never makes the run look busy to a trainer. Worker processes forked by the trainer share it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType

from wmse_tui.config.regular_files import RefusedFile
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, RunBusy, StorageError
from wmse_tui.runs.process.file_locks import is_locked, lock_request
from wmse_tui.runs.process.identity import read_trainer
from wmse_tui.runs.run_folder import RunFolder, file_descriptor, update_file
from wmse_tui.runs.text.sanitize import safe

_HELD = (errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


class RunLock:
    """The right to train one run; a context manager. One process holds it, together with what it forks."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Acquire the run, without waiting.

        Raises:
            RunBusy: another process holds it; the text names pid and host where `trainer.json` has them.
            LocksUnsupported: the filesystem has no locks.
            StorageError: the lock file cannot be opened.
        """
        if self._descriptor is not None:
            return
        path = self.run.lock
        try:
            descriptor = update_file(path)
        except OSError as error:
            raise StorageError.of("open the run's lock", path, error) from error
        try:
            fcntl.fcntl(descriptor, _command("F_OFD_SETLK", path), lock_request(fcntl.F_WRLCK))
        except OSError as error:
            os.close(descriptor)
            if error.errno in _HELD:
                raise self._busy() from None
            raise failure(path, error) from error
        except LocksUnsupported:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the run; nothing happens where it is not held."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:  # closing alone would leave the lock with workers that share it
            fcntl.fcntl(descriptor, _command("F_OFD_SETLK", self.run.lock), lock_request(fcntl.F_UNLCK))
        finally:
            os.close(descriptor)

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _busy(self) -> RunBusy:
        trainer = read_trainer(self.run)
        if trainer is None or trainer.process is None:
            return RunBusy(f"run {self.run.id} is being trained already", run=self.run.id)
        pid, host = trainer.process.pid, trainer.process.host
        return RunBusy(
            f"run {self.run.id} is being trained already",
            f"by process {pid} on {safe(host, 64)}",
            run=self.run.id,
            pid=pid,
            host=host,
        )


def acquire_lock(path: Path, *, shared: bool = False) -> int | None:
    """Acquire the lock file `path`, without waiting: its descriptor, None where another process holds it.

    The file is made where it is missing. The lock lasts until every copy of the descriptor is closed, also
    those of child processes. Where the opened file has been replaced meanwhile, the new one is locked.

    Args:
        path: the file, which may be another user's in a folder that several share.
        shared: any number of processes may hold it together, and none exclusively meanwhile.

    Raises:
        LocksUnsupported: the filesystem has no locks.
        StorageError: the file cannot be opened.
    """
    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    while True:
        try:
            with RunFolder(path.parent) as folder:
                descriptor = folder.update(path.name)
        except OSError as error:
            raise StorageError.of("open a lock", path, error) from error
        try:
            fcntl.fcntl(descriptor, _command("F_OFD_SETLK", path), lock_request(kind))
            if _is_still(path, descriptor):
                return descriptor
            os.close(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _HELD:
                return None
            raise failure(path, error) from error
        except LocksUnsupported:
            os.close(descriptor)
            raise


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether `path` still names the open file: else its holder has removed it just now."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def held(path: Path) -> bool:
    """Whether any process holds the lock file `path`; a test that acquires nothing.

    Raises:
        LocksUnsupported: the filesystem has no locks.
    """
    try:
        descriptor = file_descriptor(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise failure(path, error) from error
    try:
        return held_open(descriptor, path)
    finally:
        os.close(descriptor)


def held_open(descriptor: int, path: Path) -> bool:
    """The same for a file that is open already, whatever its name is by now. Raises LocksUnsupported."""
    _command("F_OFD_GETLK", path)
    try:
        return is_locked(descriptor)
    except OSError as error:
        raise failure(path, error) from error


def held_by(path: Path, pid: int) -> bool:
    """Whether process `pid` of this machine holds the lock file `path`, alone or together with its workers.

    The kernel names no process for such a lock, but lists the locks of each open file of a process. False
    where that cannot be read: another user's process, a system without /proc.
    """
    try:
        lock = path.lstat()
        descriptors = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 (names only)
    except OSError:
        return False
    return any(_locks(pid, descriptor, lock) for descriptor in descriptors)


def _locks(pid: int, descriptor: str, lock: os.stat_result) -> bool:
    """Whether a descriptor of a process is the open file that holds `lock`."""
    try:
        about = os.stat(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH116 (of an open file, not of a path)
        if (about.st_dev, about.st_ino) != (lock.st_dev, lock.st_ino):
            return False
        lines = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines()
    except OSError:  # closed meanwhile
        return False
    return any(line.startswith("lock:") and {"OFDLCK", "WRITE"} <= set(line.split()) for line in lines)


def failure(path: Path, error: OSError) -> LocksUnsupported | StorageError:
    """What to raise for an error other than "held by another process"."""
    if error.errno in _UNSUPPORTED and not isinstance(error, RefusedFile):
        return _unsupported(path, error.strerror or str(error))
    return StorageError.of("test the run's lock", path, error)


def _unsupported(path: Path, why: str) -> LocksUnsupported:
    return LocksUnsupported(
        "files cannot be locked in the runs folder, so two trainers could not exclude each other",
        f"{path}: {why}",
        next=(
            "store runs on a local disk: --runs-dir DIR, or WMSE_TUI_RUNS=DIR",
            "or have the file server's lock service turned on",
        ),
    )


def _command(name: str, path: Path) -> int:
    number: int | None = getattr(fcntl, name, None)
    if number is None:
        raise _unsupported(path, "this system has no open-file-description locks (Linux has them)")
    return number
