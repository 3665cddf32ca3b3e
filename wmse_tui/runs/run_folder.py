"""The one way to open what belongs to a run.

A run directory may have been prepared by another user, or be writable by one. So nothing in it is opened
through a link, nor anything but a regular file, nor more of it at once than a run writes. What is changed
belongs to this user and has no second name elsewhere (a hard link). A folder is opened once, and what is done
in it by name stays in it, whatever its path leads to by then.
"""

from __future__ import annotations

import errno
import os
import pwd
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from wmse_tui.config.atomic import PRIVATE, replacing
from wmse_tui.config.regular_files import RefusedFile, kind_text, open_descriptor

SMALL = 64 * 1024
"""Bytes of a file that is read at once: records, requests, annotations, configurations."""
_PATH = getattr(os, "O_PATH", os.O_RDONLY)  # opens a folder that may be entered, and not listed
_INSTEAD = "put the {} itself there; what belongs to a run is never opened through a link"


class NotOwned(RefusedFile):
    """It belongs to another user."""


class RunFolder:
    """An open folder of a run; a context manager.

    Args:
        path: the run's directory, or one of the folders in it.
        own: it is to be changed: refuse it where it is not this user's.

    Raises:
        NotOwned: with `own`: it is another user's.
        RefusedFile: it is a link or no folder.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, *, own: bool = False) -> None:
        self.path = path
        self._own = own
        try:
            self._descriptor = os.open(path, _PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                _require_folder(path)
            raise
        self._owner = -1
        if own:
            try:
                self._owner = _require_own(self._descriptor, path)
            except OSError:
                self.close()
                raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder; files that were opened in it stay open."""
        os.close(self._descriptor)

    # Reading

    def identity(self) -> tuple[int, int]:
        """Device and inode of the folder."""
        about = os.fstat(self._descriptor)
        return about.st_dev, about.st_ino

    def names(self) -> list[str]:
        """The names of all entries. Raises OSError."""
        with self._listed() as descriptor:
            return os.listdir(descriptor)  # noqa: PTH208 (of a descriptor)

    def status(self, name: str) -> os.stat_result:
        """The status of an entry; of a link, its own. Raises OSError."""
        with self._named(name):
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)

    def open(self, name: str) -> BufferedReader:
        """A file, to read. Raises RefusedFile, OSError."""
        return os.fdopen(self.descriptor(name), "rb")

    def descriptor(self, name: str, flags: int = os.O_RDONLY) -> int:
        """The descriptor of a file; `flags` may ask for more than reading. Raises RefusedFile, OSError."""
        with self._named(name):
            return open_descriptor(name, flags, dir_fd=self._descriptor, follow=False)

    def read(self, name: str, largest: int = SMALL) -> bytes:
        """The content of a file.

        Raises:
            RefusedFile: it has more than `largest` bytes, or is no regular file.
            OSError: it cannot be read.
        """
        descriptor = self.descriptor(name)
        try:
            with self._named(name):
                return _content(descriptor, self.path / name, largest)
        finally:
            os.close(descriptor)

    # Changing

    def create(self, name: str) -> BinaryIO:
        """A new private file, to write; one of that name is removed first. Raises OSError."""
        self.remove(name)
        return os.fdopen(self.descriptor(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")

    def update(self, name: str, flags: int = os.O_RDWR) -> int:
        """The descriptor of a file that is changed in place, created (0600) where it is missing.

        Args:
            name: of the file.
            flags: O_RDWR or O_WRONLY, and O_APPEND.

        Raises:
            NotOwned: it is another user's, in a folder opened as `own`.
            RefusedFile: it has a second hard link, or is no regular file.
            OSError: it cannot be opened or created.
        """
        while True:
            try:  # O_CREAT on another user's file is refused in a sticky folder that all may write
                descriptor = self.descriptor(name, flags)
            except FileNotFoundError:
                with suppress(FileExistsError):  # created just now by another process
                    return self.descriptor(name, flags | os.O_CREAT | os.O_EXCL)
                continue
            try:
                self._require_alone(descriptor, name)
            except OSError:
                os.close(descriptor)
                raise
            return descriptor

    def publish(self, name: str, *content: bytes, sync: bool = True) -> None:
        """Make `content` the content of a file, in one step and in place of what is there.

        Args:
            name: of the file.
            content: its parts, in order.
            sync: as of `config.atomic.replacing`.

        Raises:
            OSError: it cannot be written.
        """
        with self._named(name), replacing(Path(name), dir_fd=self._descriptor, sync=sync) as file:
            file.writelines(content)

    def remove(self, name: str) -> bool:
        """Remove an entry that is no folder: a link, not what it leads to; False where there is none.

        Raises:
            OSError: it cannot be removed.
        """
        with self._named(name):
            try:
                os.unlink(name, dir_fd=self._descriptor)
            except FileNotFoundError:
                return False
        return True

    def rename(self, name: str, to: str) -> None:
        """Rename an entry, in place of what is there. Raises OSError."""
        with self._named(to):
            os.replace(name, to, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def link(self, name: str, to: str) -> None:
        """A second name for a file in this folder. Raises OSError."""
        with self._named(to):
            os.link(
                name,
                to,
                src_dir_fd=self._descriptor,
                dst_dir_fd=self._descriptor,
                follow_symlinks=False,
            )

    def make_folder(self, name: str) -> None:
        """Make a private folder, where there is nothing of that name yet. Raises OSError."""
        with self._named(name), suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self._descriptor)

    def make_private(self) -> None:
        """Close the folder to all other users. Raises OSError."""
        with self._named(""):
            os.chmod(".", 0o700, dir_fd=self._descriptor)

    def set_times(self, name: str, times: tuple[int, int]) -> None:
        """Set the times (nanoseconds) of access and modification of a file. Raises OSError."""
        with self._named(name):
            os.utime(name, ns=times, dir_fd=self._descriptor, follow_symlinks=False)

    def sync(self) -> None:
        """Let renames in the folder survive a power cut, where the file system can sync a folder."""
        with suppress(OSError), self._listed() as descriptor:
            os.fsync(descriptor)

    @contextmanager
    def _listed(self) -> Iterator[int]:
        with self._named(""):
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """An OSError of this block names the whole path."""
        try:
            yield
        except RefusedFile as error:
            if (error.strerror or "").startswith(kind_text(stat.S_IFLNK)):
                error.next = (_INSTEAD.format("file"),)
            error.filename = os.fspath(self.path / name)
            raise
        except OSError as error:
            error.filename, error.filename2 = os.fspath(self.path / name), None
            raise

    def _require_alone(self, descriptor: int, name: str) -> None:
        about, path = os.fstat(descriptor), self.path / name
        if about.st_nlink > 1:
            copy = f"give the run a file of its own: cp {name} {name}.copy && mv {name}.copy {name}"
            raise RefusedFile("it has a second name elsewhere (a hard link)", path, next=(copy,))
        if self._own and about.st_uid != self._owner:
            raise _foreign(path, about.st_uid)


def read_file(path: Path, largest: int = SMALL) -> bytes:
    """The content of a file of a run. Raises as `RunFolder.read`."""
    with RunFolder(path.parent) as folder:
        return folder.read(path.name, largest)


def open_file(path: Path) -> BufferedReader:
    """A file of a run, to read. Raises RefusedFile, OSError."""
    return os.fdopen(file_descriptor(path), "rb")


def file_descriptor(path: Path) -> int:
    """The descriptor of a file of a run, to read. Raises RefusedFile, OSError."""
    with RunFolder(path.parent) as folder:
        return folder.descriptor(path.name)


def update_file(path: Path, flags: int = os.O_RDWR) -> int:
    """The descriptor of a file of a run, to be changed in place. Raises as `RunFolder.update`."""
    with RunFolder(path.parent, own=True) as folder:
        return folder.update(path.name, flags)


def append_to_file(path: Path) -> BinaryIO:
    """A file of a run opened for appending, created where it is missing. Raises RefusedFile, OSError."""
    return os.fdopen(update_file(path, os.O_WRONLY | os.O_APPEND), "ab")


def publish_file(path: Path, content: bytes) -> None:
    """Make `content` the content of a file of a run, in one step. Raises RefusedFile, OSError."""
    with RunFolder(path.parent, own=True) as folder:
        folder.publish(path.name, content)


def remove_file(path: Path) -> bool:
    """Remove a file of a run; False where there is none. Raises RefusedFile, OSError."""
    with RunFolder(path.parent, own=True) as folder:
        return folder.remove(path.name)


def require_own_folder(path: Path) -> None:
    """Raise RefusedFile unless `path` is a folder of this user, and not a link to one; OSError as usual."""
    RunFolder(path, own=True).close()


def _content(descriptor: int, path: Path, largest: int) -> bytes:
    size = os.fstat(descriptor).st_size
    parts: list[bytes] = []
    left = largest + 1
    if size <= largest:
        while left > 0 and (part := os.read(descriptor, min(left, size + 1))):
            parts.append(part)
            left -= len(part)
    if size > largest or left <= 0:
        raise RefusedFile(f"it has more than {largest} bytes, which no run writes there", path)
    return b"".join(parts)


def _require_folder(path: Path) -> None:
    """Raise RefusedFile where `path` itself is no folder."""
    mode = os.lstat(path).st_mode
    if not stat.S_ISDIR(mode):
        steps = (_INSTEAD.format("folder"),) if stat.S_ISLNK(mode) else ()
        raise RefusedFile(f"{kind_text(mode)}, not a folder", path, next=steps) from None


def _require_own(descriptor: int, path: Path) -> int:
    """The owner of an open folder, who must be this user.

    A file system may report one owner for all (CIFS, sshfs), or another than this user (NFS for root): then
    it does so for what this process creates there, too.
    """
    owner = os.fstat(descriptor).st_uid
    if owner != os.geteuid() and owner != _owner_of_new_file(descriptor):
        raise _foreign(path, owner)
    return owner


def _owner_of_new_file(folder: int) -> int | None:
    """The owner that a new file in an open folder has; None where none can be created.

    A file without a name leaves no trace; file systems that cannot create one get a file for a moment.
    """
    nameless = getattr(os, "O_TMPFILE", None)
    if nameless is not None:
        with suppress(OSError):
            return _owner_closed(os.open(".", nameless | os.O_WRONLY | os.O_CLOEXEC, PRIVATE, dir_fd=folder))
    name = f".{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with suppress(OSError):
        owner = _owner_closed(os.open(name, flags, PRIVATE, dir_fd=folder))
        os.unlink(name, dir_fd=folder)
        return owner
    return None


def _owner_closed(descriptor: int) -> int:
    try:
        return os.fstat(descriptor).st_uid
    finally:
        os.close(descriptor)


def _foreign(path: Path, owner: int) -> NotOwned:
    return NotOwned(f"it belongs to {user_text(owner)}; you are {user_text(os.geteuid())}", path)


def user_text(uid: int) -> str:
    """A user as text: "user alice (1001)", "user 1001" where it has no name."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return f"user {uid}"
