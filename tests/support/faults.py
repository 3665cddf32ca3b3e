"""File operations that fail where a test chooses: the n-th, or one by name, with an error or a kill.

    with Faults(folder, Fault(3, "ENOSPC")) as faults:   # the third operation below `folder`
        save(...)
    faults.done                                          # ["open .x.tmp", "write .x.tmp", ...]

The package contains none of this: functions of `os` are replaced during the block. Operations are counted
before they happen, so that a kill at the n-th is one after the operation before; a write that is killed or
cut short leaves half of its bytes, as a real one may.
"""

from __future__ import annotations

import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest import mock

ERRORS = ("ENOSPC", "EDQUOT", "EIO", "EACCES", "EROFS")
"""Errors of a disk."""
DEATH = "death"
"""The process ends here: simulated by an exception that nothing catches, with no operation after it."""
KILL = "kill"
"""As `death`, by a real SIGKILL: for a child process."""
SHORT = "short"
"""A write stores half of the bytes, and the disk is full."""
HOWS = (*ERRORS, SHORT, DEATH)


class Died(BaseException):
    """Simulates the end of the process."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Args:
        at: the number of the operation, from 1, or the beginning of its name ("replace best.pt").
        how: one of HOWS, or KILL.
        lasting: every operation after it that needs space or permission fails likewise, as on a disk that
            stays full.
    """

    at: int | str
    how: str
    lasting: bool = False


class Faults:
    """Counts the operations on files below `folder`, and makes one of them fail.

    Attributes:
        done: the operations so far, by name.
        struck: whether the fault has happened.
    """

    def __init__(self, folder: Path, fault: Fault | None = None) -> None:
        self.done: list[str] = []
        self.struck = False
        self._folder = str(folder.resolve())
        self._fault = fault
        self._dead = False
        self._patches: list[Any] = []

    def __enter__(self) -> Faults:
        made = {
            "open": self._open(os.open),
            "fdopen": self._fdopen(os.fdopen),
            "write": self._write(os.write),
            **{name: self._on_descriptor(name, getattr(os, name)) for name in ("fsync", "ftruncate")},
            "posix_fallocate": self._on_descriptor("allocate", os.posix_fallocate),
            **{name: self._on_paths(name, getattr(os, name)) for name in ("replace", "rename", "link")},
            "unlink": self._on_paths("unlink", os.unlink),
        }
        self._patches = [mock.patch.object(os, name, function) for name, function in made.items()]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for patch in self._patches:
            patch.stop()

    def strike(self, operation: str, path: str, half: Callable[[], object] = lambda: None) -> None:
        """Called before an operation on `path`; raises where it is to fail. `half` does half of it."""
        if not path.startswith(self._folder):
            return
        if self._dead:
            raise Died
        self.done.append(f"{operation} {Path(path).name}")
        fault = self._fault
        if fault is None:
            return
        hit = not self.struck and (
            len(self.done) == fault.at if isinstance(fault.at, int) else self.done[-1].startswith(fault.at)
        )
        again = self.struck and fault.lasting and operation in ("open", "write", "allocate", "link")
        if not hit and not again:
            return
        self.struck = True
        if fault.how in (DEATH, KILL, SHORT):
            half()
        if fault.how == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.how == DEATH:
            self._dead = True
            raise Died
        code = errno.ENOSPC if fault.how == SHORT else getattr(errno, fault.how)
        raise OSError(code, os.strerror(code), path)

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT:
                self.strike("open", _absolute(path, options.get("dir_fd")))
            return real(path, flags, *arguments, **options)

        return opened

    def _fdopen(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(descriptor: int, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if "b" in mode and ("w" in mode or "a" in mode) and _path(descriptor).startswith(self._folder):
                return _File(descriptor, self)
            return real(descriptor, mode, *arguments, **options)

        return opened

    def _write(self, real: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
        def written(descriptor: int, content: Any) -> int:
            half = memoryview(content)[: len(content) // 2]
            self.strike("write", _path(descriptor), lambda: real(descriptor, half))
            return real(descriptor, content)

        return written

    def _on_descriptor(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: int, *arguments: Any) -> Any:
            self.strike(name, _path(descriptor))
            return real(descriptor, *arguments)

        return call

    def _on_paths(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            folder = options.get("dst_dir_fd", options.get("dir_fd"))
            self.strike(name, _absolute(arguments[0] if arguments else path, folder))
            return real(path, *arguments, **options)

        return call


class _File(io.FileIO):
    """A file that is written through `Faults`, without a buffer that could outlive the process."""

    def __init__(self, descriptor: int, faults: Faults) -> None:
        super().__init__(descriptor, "r+b")
        self._faults = faults

    def write(self, content: Any, /) -> int:
        half = bytes(content)[: len(content) // 2]
        self._faults.strike("write", _path(self.fileno()), lambda: io.FileIO.write(self, half))
        return super().write(content)


def _absolute(path: Any, folder: int | None) -> str:
    """`path`, relative to an open folder or to the working directory, as an absolute one."""
    return os.path.abspath(os.path.join("" if folder is None else _path(folder), os.fspath(path)))  # noqa: PTH100, PTH118


def _path(descriptor: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


def every_operation(folder: Path, work: Callable[[], object]) -> list[str]:
    """The operations of `work` on files below `folder` when nothing fails."""
    with Faults(folder) as faults:
        work()
    return faults.done


@contextmanager
def survived() -> Iterator[None]:
    """Suppress errors of the disk and simulated kills: the test checks the files afterwards."""
    with suppress(OSError, Died):
        yield


def in_child(work: Callable[[], int]) -> int:
    """Run `work` in a fork of this process and return its exit status: -9 where killed."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def train_with(fault: Fault, run: Path) -> int:
    """A trainer of the run in directory `run`, forked from this process, with a fault; its exit code."""
    from forked_ranks import forked  # imports torch, which tests of files do without

    from wmse_tui.engine.training.session import run_session

    def train() -> int:
        with Faults(run, fault):
            return run_session(run)

    return forked(train).wait()
