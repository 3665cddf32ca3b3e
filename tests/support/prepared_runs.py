"""Run directories that somebody has prepared: anything in place of each file, and what must not change."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wmse_tui.runs.directory import FILES, FOLDERS

INSIDE = (
    "control/00000000000000000001-abcdef01.json",
    "checkpoints/step-00000008.pt",
    "checkpoints/step-00000008.pt.sha256",
    "checkpoints/best.pt",
    "checkpoints/.step-00000009.pt.tmp",
    "evaluations/final-20260301T120000000000Z.json",
    "artifacts/embedding.npz",
)
NAMES = (*FILES, *FOLDERS, *INSIDE)
OF_ROOT = ("device", "foreign") if os.geteuid() == 0 else ()  # no other user can make them
KINDS = ("link", "dangling link", "hard link", "named pipe", "socket", "folder", "huge", *OF_ROOT)
SECONDS = 20  # a limit against waiting for ever, on a machine that does much else
MEMORY = 300 * 2**20  # bytes that one command may need
HUGE = 2**42  # bytes that a file claims to have, and has not


def put(kind: str, path: Path, victim: Path) -> None:
    """Replace what is at `path`; `victim` is a file, or a folder where `path` is one of a run."""
    is_folder = path.is_dir()
    if kind == "foreign":
        os.chown(path, 1234, 1234) if path.exists() else path.touch()
        os.chown(path, 1234, 1234)
        return
    if is_folder:
        path.rename(path.with_name(f".{path.name}.tmp"))
    else:
        path.unlink(missing_ok=True)
    match kind:
        case "link":
            path.symlink_to(victim)
        case "dangling link":
            path.symlink_to(victim.with_name("not-there"))
        case "hard link":
            path.hardlink_to(victim / "notes.json" if victim.is_dir() else victim)
        case "named pipe":
            os.mkfifo(path)
        case "socket":
            here = Path.cwd()
            os.chdir(path.parent)  # the names of sockets are short
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(path.name)
            os.chdir(here)
        case "device":
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
        case "folder":
            path.mkdir()
        case "huge":
            path.touch()
            os.truncate(path, HUGE)


class Late(BaseException):
    """A command did not end in time; nothing that handles errors handles it."""


@contextmanager
def bounded() -> Iterator[None]:
    """The block ends in time, and with little more memory than before."""

    def late(*_: object) -> None:
        raise Late("it waited")

    with Path("/proc/self/statm").open() as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything in a folder: content, kind and mode, size, owner, time, number of names."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        about = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(about.st_mode) else b""
        found[str(path.relative_to(folder))] = (
            content, about.st_mode, about.st_size, about.st_uid, about.st_mtime_ns
        )  # fmt: skip
    return found
