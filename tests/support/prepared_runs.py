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

from wmse_tui.runs.directory import FILES, FOLDERS, OTHER_FOLDERS, RunDirectory

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
SECONDS = 20  # that a command may need: a limit against waiting for ever, on a machine that does much else
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


def outside_of_runs(tmp_path: Path) -> Path:
    """A folder of the user's, with what a run might have in its folders."""
    folder = tmp_path / "outside"
    (folder / "project").mkdir(parents=True)
    for name in ("notes.json", ".notes.tmp", "step-00000001.pt", "embedding.npz", "victim"):
        (folder / "project" / name).write_text('{"precious": 1}\n')
    return folder


def prepare_run(run: RunDirectory, kind: str, outside: Path, *names: str) -> RunDirectory:
    """Put something of a kind in the place of names in a run, with `outside_of_runs` as its target."""
    run.trainer_log.write_text("output\n")
    run.lock.touch()
    project = outside / "project"
    for name in names:
        (run.path / name).parent.mkdir(exist_ok=True)
        is_folder = name in (*FOLDERS, *OTHER_FOLDERS, "followers/csv")
        put(kind, run.path / name, project if is_folder else project / "victim")
    return run


class Late(BaseException):
    """A command did not end in time; nothing that handles errors handles it."""


@contextmanager
def bounded(seconds: int = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """The block ends in time, and with little more memory than before."""

    def late(*_: object) -> None:
        raise Late("it waited")

    with Path("/proc/self/statm").open() as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, hard))
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
