"""Regular files only: opening a named pipe may wait for ever, reading a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}


class RefusedFile(OSError):
    """A file or folder that is not opened, whatever its permissions allow.

    Attributes:
        strerror: what it is, and what was expected.
        filename: its path.
        next: what the user can do, most promising first.
    """

    def __init__(self, reason: str, path: str | Path, *, next: tuple[str, ...] = ()) -> None:  # noqa: A002
        super().__init__(errno.EINVAL, reason, os.fspath(path))
        self.next = next


def kind_text(mode: int) -> str:
    """The kind of a file by its mode: "a link", "a named pipe", "a device"."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def open_regular(path: str | Path) -> BinaryIO:
    """A regular file, to read; the path may be a link to it.

    Raises:
        RefusedFile: it is no regular file.
        OSError: it cannot be opened.
    """
    return os.fdopen(open_descriptor(path), "rb")


def open_descriptor(
    path: str | Path,
    flags: int = os.O_RDONLY,
    mode: int = 0o600,
    *,
    dir_fd: int | None = None,
    follow: bool = True,
) -> int:
    """The descriptor of a regular file, opened without waiting.

    Args:
        path: the file; relative to `dir_fd` where that is given.
        flags: as of `os.open`. O_TRUNC would act before the check, and is not for this function.
        mode: of a file that is created, before the umask.
        dir_fd: an open folder.
        follow: whether `path` may itself be a link.

    Raises:
        RefusedFile: it is no regular file.
        OSError: it cannot be opened.
    """
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags, mode, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV):
            found = os.stat(path, dir_fd=dir_fd, follow_symlinks=follow).st_mode
            if not stat.S_ISREG(found):
                raise _refused(found, path) from None
        raise
    found = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(found):
        os.close(descriptor)
        raise _refused(found, path)
    return descriptor


def _refused(mode: int, path: str | Path) -> RefusedFile:
    return RefusedFile(f"{kind_text(mode)}, not a regular file", path)
