"""One published file onto the disk: resumed when cut, checked, never under its name before it is whole."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from wmse_tui import __version__
from wmse_tui.config.atomic import sync_folder
from wmse_tui.config.regular_files import open_descriptor, open_regular
from wmse_tui.engine.data.sources.disk import bytes_text, refuse_os
from wmse_tui.engine.data.sources.progress import Progress, ProgressMeter
from wmse_tui.engine.errors import DataError

TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Pauses between attempts that brought no new bytes; after the last one the download gives up."""

_CHUNK = 1 << 18
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A published file and how to recognise it.

    Args:
        url: where it is fetched from.
        name: its name on disk.
        size: bytes.
        md5: hexadecimal digest, as its publishers give it.
        magic: its first bytes, so that an error page is recognised before it is stored.
    """

    url: str
    name: str
    size: int
    md5: str
    magic: bytes


class _Response(Protocol):
    status: int
    headers: http.client.HTTPMessage

    def read(self, amount: int, /) -> bytes: ...
    def close(self) -> None: ...


class _Cut(Exception):
    """The transfer ended early; another attempt may continue where it stopped."""


class _Unreachable(_Cut):
    """There was no connection at all."""


def fetch(remote: RemoteFile, folder: Path, *, progress: Progress) -> Path:
    """Bring `remote` into `folder` and return its path; what is there as `NAME.part` is continued.

    The caller holds the lock of the folder (see `sources/acquire.py`): two writers would mix one `.part`.

    Raises:
        DataError: no network, a refusal by the server, something else in the file's place, no space, no
            permission. Bytes received so far stay as `NAME.part` unless they are known to be wrong.
    """
    target = folder / remote.name
    part = folder / f"{remote.name}.part"
    while True:
        continued = _receive(remote, part, progress)
        problem = damage(part, remote, progress)
        if problem is None:
            break
        part.unlink()  # ours, and known to be wrong
        if not continued:  # a part of an earlier attempt may have been the culprit; a fresh copy was not
            raise DataError(
                f"{remote.name} is not what was published",
                f"{remote.url}: {problem}; {expectation(remote)}; the copy has been removed",
                next=("start again: the file may have been damaged on the way", by_hand(remote, folder)),
            )
    part.rename(target)
    sync_folder(folder)
    return target


def damage(path: Path, remote: RemoteFile, progress: Progress) -> str | None:
    """Compare a local file with what was published: None if they agree, otherwise what was found instead."""
    size = path.stat().st_size
    with open_regular(path) as file:
        beginning = file.read(max(len(remote.magic), 64))
        if not beginning.startswith(remote.magic):
            return f"got {_unlike(size, beginning)}"
        if size != remote.size:
            return f"got {size:,} bytes"
        file.seek(0)
        digest = hashlib.md5(usedforsecurity=False)
        meter = ProgressMeter(progress, f"checking {remote.name}", total=size, unit="bytes")
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            meter.advance(len(chunk))
    return None if digest.hexdigest() == remote.md5 else f"got md5 {digest.hexdigest()}"


def expectation(remote: RemoteFile) -> str:
    """The size and the digest of the true file, for a person."""
    return f"expected {remote.size:,} bytes, md5 {remote.md5}"


def by_hand(remote: RemoteFile, folder: Path) -> str:
    """The manual step: which file, where to put it, how to recognise it."""
    check = f"({remote.size:,} bytes, md5 {remote.md5})"
    return f"or fetch {remote.url} yourself and put it at {folder / remote.name} {check}"


def _receive(remote: RemoteFile, part: Path, progress: Progress) -> bool:
    """Fill `part` to the published size; True if bytes of an earlier call are among it."""
    have = _size(part)
    if have > remote.size:
        part.unlink()
        have = 0
    continued = have > 0
    reached = False
    furthest = have
    fruitless = 0
    while have < remote.size:
        try:
            if _transfer(remote, part, have, progress):
                continued = False
        except _Cut as cut:
            if isinstance(cut, _Unreachable) and not reached:  # no use in waiting: there is no network
                raise DataError(
                    f"cannot fetch {remote.name}",
                    f"no connection to {urlsplit(remote.url).netloc}: {cut}",
                    next=(
                        "connect this machine to the network and start again",
                        by_hand(remote, part.parent),
                    ),
                ) from cut
            reached = True
            have = _size(part)
            fruitless = 0 if have > furthest else fruitless + 1
            furthest = max(furthest, have)
            if fruitless >= len(RETRY_SECONDS):
                raise DataError(
                    f"the download of {remote.name} stopped",
                    f"{remote.url}: {cut} after {bytes_text(have)} of {bytes_text(remote.size)}",
                    next=(f"start again: it continues from {part}", by_hand(remote, part.parent)),
                ) from cut
            time.sleep(RETRY_SECONDS[fruitless])
        have = _size(part)
    return continued


def _transfer(remote: RemoteFile, part: Path, have: int, progress: Progress) -> bool:
    """One request, from byte `have` on; True if the server began again from the first byte."""
    response = _open(remote, part, have)
    try:
        restarted = have > 0 and response.status == 200
        start = 0 if restarted else have
        beginning = b""
        try:
            if start == 0:
                beginning = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Cut(_reason(error)) from error
        if start == 0 and beginning and not beginning.startswith(remote.magic):
            size = int(response.headers.get("Content-Length") or len(beginning))
            raise DataError(
                f"the server sent something else than {remote.name}",
                f"{remote.url}: got {_unlike(size, beginning)}; {expectation(remote)}",
                next=(
                    "a login page or a proxy may be in the way: open the address in a browser",
                    by_hand(remote, part.parent),
                ),
            )
        _require_size(remote, part, response, start)
        _store(remote, part, response, start, beginning, progress)
        return restarted
    finally:
        response.close()


def _open(remote: RemoteFile, part: Path, have: int) -> _Response:
    headers = {"User-Agent": f"wmse-tui/{__version__}", "Accept-Encoding": "identity"}
    request = Request(remote.url, headers=headers)  # noqa: S310 - addresses of published data sets
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = cast("_Response", urlopen(request, timeout=TIMEOUT_SECONDS))  # noqa: S310
    except HTTPError as error:
        error.close()
        if error.code == 416 and have:  # what we have is not a beginning of what is there
            part.unlink()
            raise _Cut("the server has no such range") from error
        if error.code in _BUSY:
            raise _Cut(f"the server answers {error.code} {error.reason}") from error
        raise DataError(
            f"the server refuses {remote.name}",
            f"{remote.url}: {error.code} {error.reason}",
            next=("try again later: the page may have moved for a while", by_hand(remote, part.parent)),
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Unreachable(_reason(error)) from error
    if response.status == 206 and not (response.headers.get("Content-Range") or "").startswith(
        f"bytes {have}-"
    ):
        response.close()
        part.unlink()
        raise _Cut("the server sent another range than requested")
    return response


def _require_size(remote: RemoteFile, part: Path, response: _Response, start: int) -> None:
    length = response.headers.get("Content-Length")
    if length is not None and start + int(length) != remote.size:
        raise DataError(
            f"the server offers another {remote.name}",
            f"{remote.url}: {start + int(length):,} bytes; {expectation(remote)}",
            next=(
                "the published file may have changed; compare with the data set's page",
                by_hand(remote, part.parent),
            ),
        )


def _store(
    remote: RemoteFile, part: Path, response: _Response, start: int, chunk: bytes, progress: Progress
) -> None:
    """Append what the server sends behind byte `start`; whatever happens, what arrived is on the disk."""
    meter = ProgressMeter(progress, f"fetching {remote.name}", total=remote.size, unit="bytes", done=start)
    try:
        descriptor = open_descriptor(part, os.O_WRONLY | os.O_CREAT, 0o666, follow=False)
    except OSError as error:
        refuse_os(error, part, "store the download")
    with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - by descriptor: never through a link
        try:
            file.truncate(start)
            file.seek(start)
        except OSError as error:
            refuse_os(error, part, "store the download")
        cut = "the connection was closed"
        while meter.done <= remote.size:  # the check that follows finds surplus bytes
            if not chunk:
                try:
                    chunk = response.read(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    cut = _reason(error)
                if not chunk:
                    break
            try:
                written = file.write(chunk)
            except OSError as error:
                refuse_os(error, part, "store the download")
            meter.advance(written)
            chunk = chunk[written:]
        os.fsync(file.fileno())
    if meter.done < remote.size:
        meter.report()  # shown while the next attempt waits
        raise _Cut(cut)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _unlike(size: int, beginning: bytes) -> str:
    """Name a file by its size and its first characters, harmless for a terminal."""
    text = beginning[:64].decode("ascii", "replace").strip().splitlines()
    shown = "".join(c if c.isprintable() else "?" for c in text[0][:40]) if text else "nothing"
    return f"{size:,} bytes that begin with {shown}"


def _reason(error: Exception) -> str:
    """The bare cause of a network failure."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__
