"""Files that appear whole or not at all: written under another name, synced to the disk, renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
SHARED = 0o666
"""File modes, before the umask."""


def publish(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Make `content` the content of `path`, in one step and in place of what is there. Raises OSError."""
    with replacing(path, mode=mode) as file:
        file.write(content)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError of this block that names no file, as one of a descriptor, names `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


@contextmanager
def replacing(
    path: Path, *, mode: int = PRIVATE, dir_fd: int | None = None, sync: bool = True
) -> Iterator[BinaryIO]:
    """A new file, renamed to `path` when the block ends; removed when it ends with an exception.

    Between two processes that publish the same path, the later one wins. A process that is killed leaves
    `.NAME.<8 hex digits>.tmp` behind.

    Args:
        path: the file.
        mode: of the file, before the umask.
        dir_fd: an open folder, to which `path` is relative.
        sync: let the content survive a power cut; without, the file may be empty or damaged after one.

    Raises:
        OSError: the file cannot be created, written, synced or renamed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode, dir_fd=dir_fd)
    try:
        with naming(path), os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, path, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=dir_fd)
        raise


def make_private_folder(folder: Path) -> None:
    """Make `folder` and the missing ones above it, for this user alone whatever the umask. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        with suppress(FileExistsError):  # made just now by another process
            path.mkdir(mode=0o700)
    folder.mkdir(exist_ok=True)  # refuse a file in its place


def sync_folder(folder: Path) -> None:
    """Let the renames in `folder` survive a power cut, where the file system can sync a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_private(path: Path) -> BinaryIO:
    """`path` opened for appending, created with mode 0600 where it is missing. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    return os.fdopen(descriptor, "ab")
