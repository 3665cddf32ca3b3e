"""An archive becomes a folder in one step: unpacked aside, then renamed; nothing in it may lead elsewhere."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from wmse_tui.config.atomic import sync_folder
from wmse_tui.config.regular_files import open_regular
from wmse_tui.engine.data.sources.disk import refuse_os
from wmse_tui.engine.data.sources.progress import Progress, ProgressMeter
from wmse_tui.engine.errors import DataError

_SYNCED_BYTES = 1 << 20
"""Larger files are synced one by one; small ones come in thousands, and are read whole at every start."""

_CHUNK = 1 << 18

LARGEST = 4 * 10**9
"""Bytes that any of the published data sets unpacks to, at most."""

_Entry = tuple[str, Callable[[], IO[bytes]] | None]
"""A name and an opener; folders have no opener."""


def unpack(
    archive: Path, folder: str, *, progress: Progress, largest: int = LARGEST, bare: bool = False
) -> Path:
    """Unpack a .tar.gz or .zip beside itself and return its top folder, which must be called `folder`.

    Only regular files and folders are unpacked; links, devices and names that lead elsewhere are refused. The
    caller holds the lock: what an interrupted earlier call left behind is removed first.

    Args:
        archive: the file.
        folder: the name of its top folder.
        progress: called with the progress; may raise to stop.
        largest: bytes of all files in it, at most: a small archive can fill a disk.
        bare: it has no such top folder: what it holds becomes the content of one.

    Raises:
        DataError: the archive is damaged, unsafe, too large or has no such folder; no space or permission.
    """
    root = archive.parent
    target = root / folder
    try:
        for stale in root.glob(f".{folder}.*.unpacking"):
            shutil.rmtree(stale)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder}.", suffix=".unpacking", dir=root))
    except OSError as error:
        refuse_os(error, root, f"unpack {archive.name}")
    try:
        whole = aside
        if bare:
            whole = aside / folder
            whole.mkdir()
        _extract(archive, whole, largest, progress)
        if not (aside / folder).is_dir():
            raise _damaged(archive, f"it holds no folder {folder}")
        try:
            (aside / folder).rename(target)  # over nothing, or over an empty folder
        except OSError as error:
            refuse_os(error, target, f"unpack {archive.name}")
        sync_folder(root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _extract(archive: Path, aside: Path, largest: int, progress: Progress) -> None:
    total = archive.stat().st_size
    left = largest
    meter = ProgressMeter(progress, f"unpacking {archive.name}", total=total, unit="bytes")
    try:
        with open_regular(archive) as packed, _entries(archive, packed) as entries:
            for name, opener in entries:
                target = aside / _inside(archive, name)
                try:
                    if opener is None:
                        target.mkdir(parents=True, exist_ok=True)
                        continue
                    target.parent.mkdir(parents=True, exist_ok=True)
                    sink = target.open("xb")
                except OSError as error:
                    refuse_os(error, target, f"unpack {archive.name}")
                with opener() as source, sink:
                    while chunk := source.read(_CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise _damaged(archive, f"it unpacks to more than {largest:,} bytes")
                        try:
                            sink.write(chunk)
                        except OSError as error:
                            refuse_os(error, target, f"unpack {archive.name}")
                        meter.advance(max(packed.tell() - meter.done, 0))
                    if sink.tell() >= _SYNCED_BYTES:
                        sink.flush()
                        os.fsync(sink.fileno())
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise _damaged(archive, str(error) or type(error).__name__) from error
    meter.advance(total - meter.done)


@contextmanager
def _entries(archive: Path, packed: IO[bytes]) -> Iterator[Iterator[_Entry]]:
    if zipfile.is_zipfile(packed):
        with zipfile.ZipFile(packed) as opened:
            yield _zip_entries(archive, opened)
    else:
        packed.seek(0)
        with tarfile.open(fileobj=packed) as opened_tar:
            yield _tar_entries(archive, opened_tar)


def _zip_entries(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in opened.infolist():
        if info.external_attr >> 16 & 0o170000 == 0o120000:
            raise _damaged(archive, f"{info.filename!r} is a link")

        def opener(info: zipfile.ZipInfo = info) -> IO[bytes]:
            return opened.open(info)

        yield info.filename, None if info.is_dir() else opener


def _tar_entries(archive: Path, opened: tarfile.TarFile) -> Iterator[_Entry]:
    for member in opened:
        if not (member.isfile() or member.isdir()):
            raise _damaged(archive, f"{member.name!r} is a link or a device")

        def opener(member: tarfile.TarInfo = member) -> IO[bytes]:
            source = opened.extractfile(member)
            if source is None:
                raise _damaged(archive, f"{member.name!r} cannot be read")
            return source

        yield member.name, None if member.isdir() else opener


def _inside(archive: Path, name: str) -> PurePosixPath:
    """The name as a relative path that stays where it is put."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise _damaged(archive, f"{name!r} leads out of its folder")
    return path


def _damaged(archive: Path, detail: str) -> DataError:
    return DataError(
        f"{archive.name} cannot be unpacked",
        f"{archive}: {detail}",
        next=(f"delete {archive} and start again",),
    )
