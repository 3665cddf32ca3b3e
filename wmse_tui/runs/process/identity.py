"""Which process trains a run, identified so exactly that no other process is mistaken for it.

A process id alone is used again after a reboot or a wrap-around. With the host, the boot and the time of the
start it is unique; a signal is sent only where all four match. And a directory may be copied with its
`trainer.json`: the record has the device and inode of the directory that its process trains, which a copy
does not share and a renamed directory keeps.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.run_folder import publish_file, read_file

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one boot of one machine."""

    pid: int
    start_ticks: int  # since the boot; 0 where the system has no /proc
    boot_id: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerRecord:
    """The content of `trainer.json`: a launch (`process` None) or the trainer that it started."""

    process: Process | None
    time: float  # unix seconds of the launch, or of when the trainer acquired the run
    host: str
    attempt: int = 0
    argv: tuple[str, ...] = ()
    directory: tuple[int, int] | None = None  # device and inode as its host sees them; None: not recorded


def identify(pid: int | None = None) -> Process | None:
    """The process `pid` of this machine (None: this process), None where there is none (a zombie is none)."""
    number = os.getpid() if pid is None else pid
    status = _status(number)
    if status is None:
        return Process(number, 0, _boot_id(), host()) if not _PROC.joinpath("self").exists() else None
    state, start_ticks = status
    return None if state in "ZXx" else Process(number, start_ticks, _boot_id(), host())


def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def is_running(process: Process) -> bool | None:
    """Whether exactly this process is running; None where that is unknown here (another machine)."""
    if process.host != host() or not _PROC.joinpath("self").exists():
        return None
    return identify(process.pid) == process


def is_suspended(process: Process) -> bool:
    """Whether this process exists and is stopped (SIGSTOP, Ctrl-Z, a debugger)."""
    if process.host != host() or identify(process.pid) != process:
        return False
    status = _status(process.pid)
    return status is not None and status[0] in "Tt"


def send_signal(process: Process, number: signal.Signals) -> bool:
    """Signal exactly this process; False, and no signal sent, where it is not (or not surely) there.

    The descriptor pins the process before its identity is checked, so the signal reaches no other one.
    """
    if sys.platform != "linux":
        return False
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        if is_running(process) is not True:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def write_trainer(run: RunDirectory, *, attempt: int) -> TrainerRecord:
    """Record that this process trains the run; called by the trainer once it holds the lock.

    Raises:
        StorageError: the file cannot be written.
    """
    trainer = TrainerRecord(
        process=identify(),
        time=time.time(),
        host=host(),
        attempt=attempt,
        argv=tuple(os.fsencode(word).decode(errors="backslashreplace") for word in sys.argv),
        directory=directory_identity(run.path),
    )
    write_record(run, trainer)
    return trainer


def write_launch(run: RunDirectory) -> None:
    """Record that a trainer is being started, until it writes its own record. Raises StorageError."""
    directory = directory_identity(run.path)
    write_record(run, TrainerRecord(process=None, time=time.time(), host=host(), directory=directory))


def read_trainer(run: RunDirectory) -> TrainerRecord | None:
    """The content of `trainer.json`, None where it is missing or invalid."""
    try:
        values = json.loads(read_file(run.trainer_json))
        trainer: TrainerRecord = _adapter().validate_python(values)
    except (OSError, ValueError, RecursionError):
        return None
    return trainer


def is_copied(run: RunDirectory, trainer: TrainerRecord) -> bool:
    """Whether the record came with a copy of another directory, whose process does not train this one.

    False where that is unknown: a record without a directory, of another machine, whose device numbers
    are its own, or a directory that cannot be looked at.
    """
    if trainer.directory is None or trainer.host != host():
        return False
    here = directory_identity(run.path)
    return here is not None and here != trainer.directory


def own_trainer(run: RunDirectory) -> Process | None:
    """The process that `trainer.json` records for exactly this directory; None: none, or that of a copy."""
    trainer = read_trainer(run)
    return None if trainer is None or is_copied(run, trainer) else trainer.process


def directory_identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a directory; None where it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def write_record(run: RunDirectory, trainer: TrainerRecord) -> None:
    """Write `trainer.json`. Raises StorageError."""
    try:
        publish_file(run.trainer_json, json.dumps(asdict(trainer), ensure_ascii=False, indent=1).encode())
    except OSError as error:
        raise StorageError.of("record the trainer of the run", run.trainer_json, error) from error


@cache
def _adapter() -> TypeAdapter[TrainerRecord]:
    from pydantic import TypeAdapter  # half of the start of a waiting process, which reads no record

    return TypeAdapter(TrainerRecord)


@cache
def _boot_id() -> str:
    try:
        return _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _status(pid: int) -> tuple[str, int] | None:
    """State letter and start (clock ticks since the boot) of a process, from /proc; None: there is none."""
    try:
        text = _PROC.joinpath(str(pid), "stat").read_bytes()
    except OSError:
        return None
    after_name = text[text.rindex(b")") + 2 :].split()  # the name may hold blanks and parentheses
    return after_name[0].decode(), int(after_name[19])
