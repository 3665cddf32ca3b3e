"""A published data set as a folder on this machine: found, unpacked or fetched; by one process at a time."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmse_tui.config.regular_files import open_descriptor, open_regular
from wmse_tui.engine.data.download import RemoteFile, by_hand, damage, expectation, fetch
from wmse_tui.engine.data.sources.disk import bytes_text, refuse_os, require_space
from wmse_tui.engine.data.sources.progress import Progress, ProgressMeter
from wmse_tui.engine.data.sources.unpack import unpack
from wmse_tui.engine.errors import DataError

WAIT_SECONDS = 1.0
"""Seconds between checks of a process that waits for another's download."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A data set as its publishers give it.

    Args:
        title: its name for people.
        remote: the archive.
        folder: the top folder inside the archive.
        unpacked: bytes on disk after unpacking.
        bare: the archive has no such top folder: what it holds becomes the content of one.
    """

    title: str
    remote: RemoteFile
    folder: str
    unpacked: int
    bare: bool = False


def acquire(
    publication: Publication,
    root: Path,
    *,
    download: bool,
    defect: Callable[[Path], str | None],
    progress: Progress,
) -> Path:
    """The folder of the data set under `root`, which may also be that folder itself.

    A complete folder is used as it is, also where nothing may be written. An archive in `root` is checked and
    unpacked. Otherwise it is fetched, if `download` allows. Files of the
    user are never changed or removed.

    Args:
        publication: the data set.
        root: the folder of data sets.
        download: whether the network may be used.
        defect: returns what is missing or damaged in a folder, None if nothing.
        progress: called with the progress; may raise to stop.

    Raises:
        DataError: what is wrong, where, and what to do.
    """
    home = _present(publication, root, defect)
    if home is not None:
        return home
    archive = root / publication.remote.name
    if not download and not archive.is_file():
        raise _missing(publication.title, publication.remote, publication.folder, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refuse_os(error, root, "make the data folder")
    with _alone(publication.title, publication.remote, root, progress):
        home = _present(publication, root, defect)  # another process may have been at it
        if home is not None:
            return home
        if archive.is_file():
            problem = damage(archive, publication.remote, progress)
            if problem is not None:
                raise DataError(
                    f"{archive.name} is not what was published",
                    f"{archive}: {problem}; {expectation(publication.remote)}",
                    next=(f"delete {archive} and start again", by_hand(publication.remote, root)),
                )
            require_space(root, publication.unpacked, f"to unpack {archive.name}")
        else:
            present = _part_size(publication.remote, root)
            rest = max(publication.remote.size - present, 0)
            shares = f"{bytes_text(rest)} to fetch, {bytes_text(publication.unpacked)} unpacked"
            require_space(root, rest + publication.unpacked, f"for {publication.title} ({shares})")
            fetch(publication.remote, root, progress=progress)
        unpack(
            archive,
            publication.folder,
            progress=progress,
            largest=publication.unpacked,
            bare=publication.bare,
        )
        home = _present(publication, root, defect)
        if home is None:
            raise DataError(
                f"{publication.title} is missing",
                f"{root / publication.folder} is empty after unpacking",
            )
        return home


def _present(publication: Publication, root: Path, defect: Callable[[Path], str | None]) -> Path | None:
    """The folder, if it is there and whole; None if it is absent or empty."""
    home = root if root.name == publication.folder and root.is_dir() else root / publication.folder
    try:
        if not home.is_dir() or not any(home.iterdir()):
            return None
        problem = defect(home)
    except OSError as error:
        refuse_os(error, home, f"read {publication.title}")
    if problem is not None:
        raise DataError(
            f"{publication.title} in {home} is incomplete",
            problem,
            next=(f"move {home} away and start again: it is then unpacked or fetched again",),
        )
    return home


def acquire_file(title: str, remote: RemoteFile, root: Path, *, download: bool, progress: Progress) -> bytes:
    """The content of a published file that is no archive: read from `root`, or fetched into it.

    Raises:
        DataError: as `acquire`.
    """
    path = root / remote.name
    if not path.is_file():
        if not download:
            raise _missing(title, remote, remote.name, root)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            refuse_os(error, root, "make the data folder")
        with _alone(title, remote, root, progress):
            if not path.is_file():
                require_space(root, max(remote.size - _part_size(remote, root), 0), f"for {remote.name}")
                fetch(remote, root, progress=progress)
    return read_published(path, remote.md5, remote.size)


def _missing(title: str, remote: RemoteFile, folder: str, root: Path) -> DataError:
    either = remote.name if folder == remote.name else f"neither {folder} nor {remote.name}"
    verb = "is not there" if folder == remote.name else "is there"
    return DataError(
        f"{title} is not in {root}",
        f"{either} {verb}, and dataset.download is false",
        next=(
            "let it be fetched: --set dataset.download=true",
            by_hand(remote, root),
            "or set dataset.root (or WMSE_TUI_DATA) to its folder",
        ),
    )


def _part_size(remote: RemoteFile, root: Path) -> int:
    try:
        return (root / f"{remote.name}.part").stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _alone(title: str, remote: RemoteFile, root: Path, progress: Progress) -> Iterator[None]:
    """Hold the data set's lock in `root`; wait, and report that, while another process has it."""
    path = root / f".{remote.name}.lock"
    try:
        descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT, 0o666, follow=False)
    except OSError as error:
        refuse_os(error, path, f"put {title} there")
    try:
        while not _locked(descriptor):
            done = _part_size(remote, root)
            progress(f"waiting for another download of {remote.name}", done, remote.size, "bytes")
            time.sleep(WAIT_SECONDS)
        yield
    finally:
        os.close(descriptor)  # and with it the lock; the empty file stays, as removing it would race


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise  # without locks in the file system, the checksum still finds what two writers mixed
    return True


def checksum_defect(folder: Path, files: tuple[tuple[str, str], ...], progress: Progress) -> str | None:
    """Which of the files in `folder` are missing or differ from what was published; None if all are right."""
    missing = [name for name, _ in files if not (folder / name).is_file()]
    if missing:
        return f"missing: {', '.join(missing)}"
    meter = ProgressMeter(progress, f"checking {folder.name}", total=len(files), unit="files")
    for name, md5 in files:
        with open_regular(folder / name) as file:
            found = hashlib.file_digest(file, _md5).hexdigest()  # type: ignore[arg-type]
        if found != md5:
            return f"damaged: {name} has md5 {found}, expected {md5}"
        meter.advance(1)
    return None


def read_published(path: Path, md5: str, largest: int) -> bytes:
    """The content of a published file: exactly the bytes that its checksum was computed of.

    Raises:
        DataError: the file is not what was published, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            content = file.read(largest + 1)
    except OSError as error:
        refuse_os(error, path, "read the data set")
    found = _md5(content).hexdigest()
    if found != md5:
        raise DataError(
            f"{path.name} is not what was published",
            f"{path}: md5 {found}, expected {md5}",
            next=(f"move {path.parent} away and start again: it is then unpacked or fetched again",),
        )
    return content


def _md5(content: bytes = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)
