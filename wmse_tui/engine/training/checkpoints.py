"""Checkpoints: written aside, checked, published by rename; read without running anything from them.

A checkpoint is `step-00000123.pt` with `step-00000123.pt.sha256` beside it, in the format that
`sha256sum -c` reads. The checksum is published first, so a checkpoint under its final name always has
one: a flipped byte in tensor data would load silently otherwise. `best.pt` and `final.pt` are links to
(or copies of) the step they name.

Saving goes through a file object: errors of the disk then stay OSErrors, where to a path `torch.save` raises
its own, and the checksum is that of the bytes on their way to the disk, so that no checkpoint is read again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import torch

from wmse_tui.config.atomic import naming
from wmse_tui.config.regular_files import RefusedFile
from wmse_tui.engine.errors import CheckpointError
from wmse_tui.runs.directory import RunDirectory, checkpoint_step
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.checksums import LoggedChecksums, logged_checksums
from wmse_tui.runs.ownership import opening_steps
from wmse_tui.runs.run_folder import RunFolder, open_file, read_file

FORMAT = 1
THREADED_BYTES = 1 << 20
"""Smaller pieces are hashed in less time than a thread needs to begin."""
SOON_HASHED = 2**30
"""Bytes; a larger file must be on disk and end as an archive before it is read: terabytes take hours."""
STORED_SHARE = 1 / 16
"""Of a file's bytes, at least on disk; weights and momenta compress less on any file system."""


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint under its final name."""

    path: Path
    sha256: str
    bytes: int


def checksum_path(checkpoint: Path) -> Path:
    """The path of the checksum of `checkpoint`."""
    return checkpoint.with_name(checkpoint.name + ".sha256")


def step_checkpoints(folder: Path) -> list[Path]:
    """All checkpoints by step, oldest first; unfinished files and other names are not among them.

    Raises:
        OSError: the folder is there and cannot be read.
    """
    try:
        with RunFolder(folder) as opened:
            return [folder / name for name in _step_names(opened)]
    except FileNotFoundError:
        return []


def _step_names(folder: RunFolder) -> list[str]:
    found = [(step, name) for name in folder.names() if (step := checkpoint_step(name)) is not None]
    return [name for _, name in sorted(found)]


def save_checkpoint(
    folder: Path,
    step: int,
    state: Mapping[str, Any],
    *,
    before_publishing: Callable[[], object] = lambda: None,
) -> SavedCheckpoint:
    """Write `state` as the checkpoint of `step`; afterwards it is whole on disk, or an OSError was raised.

    Args:
        folder: the run's checkpoints folder.
        step: the number of optimiser steps done.
        state: tensors, numbers, strings and containers of these (what `weights_only` loading accepts).
        before_publishing: called when the bytes are on disk and before the rename; the log is synced
            here, so that it never lacks steps that a checkpoint contains.
    """
    path = folder / f"step-{step:08d}.pt"
    aside = f".{path.name}.tmp"
    with RunFolder(folder, own=True) as opened:
        try:
            with naming(path), opened.create(aside) as file, HashingWriter(file) as hashing:
                _save({"format": FORMAT, **state}, hashing)
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            digest = hashing.hexdigest()
            before_publishing()
            _publish(opened, aside, path.name, digest)
        except BaseException:
            opened.remove(aside)
            raise
    return SavedCheckpoint(path, digest, size)


def name_checkpoint(published: SavedCheckpoint, name: str) -> None:
    """Let `name` ("best" or "final") name a published checkpoint, atomically."""
    target = f"{name}.pt"
    aside = f".{target}.tmp"
    with RunFolder(published.path.parent, own=True) as folder:
        folder.remove(aside)
        try:
            folder.link(published.path.name, aside)
        except OSError:  # a file system without hard links
            with folder.open(published.path.name) as source, folder.create(aside) as copy:
                shutil.copyfileobj(source, copy)
        _publish(folder, aside, target, published.sha256)


def has_name(published: SavedCheckpoint, name: str) -> bool:
    """Whether `name` names this checkpoint already."""
    target = f"{name}.pt"
    with RunFolder(published.path.parent) as folder:
        return _checksum_file(folder, target) == _sum_line(published.sha256, target)


def prune_checkpoints(folder: Path, *, keep: int) -> None:
    """Remove all but the newest `keep` step checkpoints; named ones keep their bytes."""
    with RunFolder(folder, own=True) as opened:
        for name in _step_names(opened)[:-keep]:
            opened.remove(name)
            opened.remove(f"{name}.sha256")
        for name in opened.names():
            if name.startswith(".") and name.endswith(".tmp"):
                opened.remove(name)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU after checking its bytes; nothing in it is ever executed.

    Raises:
        CheckpointError: it is missing, has no checksum, is damaged, or is not one of ours.
    """
    with _verified(path) as file:
        _require_unpacked(path, file)
        state = _loaded(path, file)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        got = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise CheckpointError(
            f"{path} has format {got!r}",
            f"this version reads format {FORMAT}",
            next=("use the version of wmse-tui that wrote it",),
        )
    return state


def verify_checkpoint(path: Path) -> None:
    """Raise CheckpointError unless `path` has exactly the bytes that were published."""
    with _verified(path):
        pass


def saved_checkpoint(path: Path) -> SavedCheckpoint:
    """The checkpoint at `path`, which is read to compute its checksum. Raises OSError."""
    with open_file(path) as file:
        return SavedCheckpoint(path, hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


@contextmanager
def _verified(path: Path) -> Iterator[BufferedReader]:
    """The checkpoint, open, once its bytes were found to be those that were published."""
    try:
        file = open_file(path)
    except FileNotFoundError as error:
        raise _missing(path, error) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        if damage := _damage_of_large(file):
            raise CheckpointError(
                f"{path} is damaged",
                damage,
                next=("an older checkpoint of the run is used where there is one",),
            )
        file.seek(0)
        _verify(path, hashlib.file_digest(file, "sha256").hexdigest())
        yield file


def _damage_of_large(file: BufferedReader) -> str:
    """Why a large file need not be read to be refused; empty for one that may be a checkpoint."""
    about = os.fstat(file.fileno())
    stored = about.st_blocks * 512
    if about.st_size <= SOON_HASHED:
        return ""
    if 0 < stored < STORED_SHARE * about.st_size:  # some file systems report no blocks at all
        return f"only {stored:,} of its {about.st_size:,} bytes are on disk"
    if not zipfile.is_zipfile(file):
        return "its end is not that of an archive: it was cut short, or is another kind of file"
    return ""


def _loaded(path: Path, file: BinaryIO) -> Any:
    file.seek(0)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path} is not a checkpoint of ours",
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            next=("use another file of the run's checkpoints folder",),
        ) from error


def _verify(path: Path, got: str) -> None:
    """Raise CheckpointError unless `got` is the SHA-256 that was published for `path`.

    The log of the run decides where it knows the checkpoint: who can replace a file can replace the sum
    beside it too.
    """
    try:
        beside = read_file(checksum_path(path)).decode("ascii").split()[::2]
        logged = logged_checksums(RunDirectory(path.parent.parent))
    except FileNotFoundError as error:
        raise _missing(path, error) from error
    except OSError as error:
        raise _unreadable(checksum_path(path), error) from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{checksum_path(path)} cannot be read", str(error)) from error
    except StorageError as error:
        raise CheckpointError(f"{path} cannot be verified", f"{error.title}: {error.detail}") from error
    if got not in beside:
        raise CheckpointError(
            f"{path} is damaged",
            f"its SHA-256 is {got[:16]}..., published was {beside[-1][:16] if beside else 'nothing'}...",
            next=("an older checkpoint of the run is used where there is one",),
        )
    known = logged.of(path.name)
    if known and got not in known and got not in _unlogged(path.parent, logged):
        raise CheckpointError(
            f"{path} is not the checkpoint that the run has saved",
            f"its SHA-256 is {got[:16]}..., as the file beside it has it, and the run's log has "
            f"{min(known)[:16]}... for {path.name}",
            next=(
                "use another checkpoint of the run (`wmse-tui show RUN` lists them)",
                "or ask the owner of the run what was changed",
            ),
        )


def _unlogged(folder: Path, logged: LoggedChecksums) -> set[str]:
    """The sums of step checkpoints that were published just before their trainer was killed."""
    found = set()
    for path in step_checkpoints(folder):
        if path.name not in logged.files:
            with suppress(OSError, UnicodeDecodeError):
                found.update(read_file(checksum_path(path)).decode("ascii").split()[::2])
    return found


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    steps = getattr(error, "next", ())
    if error.errno == errno.EACCES:  # saved after the run was opened to others
        steps = opening_steps(path.parent.parent)
    return CheckpointError(f"{path} cannot be read", error.strerror or str(error), next=steps)


def _missing(path: Path, error: FileNotFoundError) -> CheckpointError:
    return CheckpointError(
        f"{Path(error.filename).name} is missing",
        f"a checkpoint needs its checksum beside it: {path}, {checksum_path(path).name}",
        next=("use another checkpoint of the run", "`wmse-tui show RUN` lists them"),
    )


def _require_unpacked(path: Path, file: BinaryIO) -> None:
    """Refuse an archive whose content needs more memory than the file has bytes: torch packs nothing."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except Exception as error:  # what zipfile raises for damaged archives is no one family
        raise CheckpointError(
            f"{path} is not a checkpoint of ours", str(error) or type(error).__name__
        ) from error
    needed = sum(member.file_size for member in members)
    size = file.seek(0, os.SEEK_END)
    if needed > size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise CheckpointError(
            f"{path} is not a checkpoint of ours",
            f"it is compressed, to {size:,} bytes from {needed:,}; checkpoints never are",
            next=("use another file of the run's checkpoints folder",),
        )


def newest_checkpoint(
    folder: Path, *, damaged: Callable[[CheckpointError], None]
) -> tuple[Path, dict[str, Any]] | None:
    """The newest step checkpoint that is whole, or None when there is none at all.

    Args:
        folder: the run's checkpoints folder.
        damaged: called for each newer one that had to be passed over.

    Raises:
        CheckpointError: there are checkpoints, and not one can be used: starting from nothing would
            silently lose the run.
    """
    paths = step_checkpoints(folder)
    for path in reversed(paths):
        try:
            return path, read_checkpoint(path)
        except CheckpointError as error:
            damaged(error)
    if paths:
        raise CheckpointError(
            "no checkpoint of this run can be used",
            f"{len(paths)} tried in {folder}",
            next=("start a new run from the same configuration",),
        )
    return None


def file_sha256(path: Path) -> str:
    """The SHA-256 of a checkpoint, read in pieces. Raises OSError."""
    return saved_checkpoint(path).sha256


class HashingWriter:
    """What `torch.save` needs of a file: all that is written to `file`, from front to back, is hashed too.

    torch never goes back: it refuses a file whose position is not the one it expects. It writes each tensor
    in one piece, from the tensor's own memory. A thread hashes a large piece while the file accepts it, and
    the piece is not copied.

    Args:
        file: at its beginning.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, "checksum")

    def __enter__(self) -> HashingWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown()

    def write(self, piece: memoryview) -> int:
        """Write a piece, whose memory may change afterwards. Raises OSError."""
        if len(piece) < THREADED_BYTES:
            self._hash.update(piece)
            return self._file.write(piece)
        hashed = self._thread.submit(self._hash.update, piece)
        try:
            return self._file.write(piece)
        finally:
            hashed.result()

    def flush(self) -> None:
        """Pass what is buffered to the system. Raises OSError."""
        self._file.flush()

    def hexdigest(self) -> str:
        """The SHA-256 of all that was written."""
        return self._hash.hexdigest()


def _save(state: dict[str, Any], file: HashingWriter) -> None:
    """As `torch.save`, but an error of the disk is an OSError.

    Closing its archive after a failed write, torch finds it too short and raises a RuntimeError over the
    error of the disk ("unexpected pos 768 vs 662", as seen with torch 2.15).
    """
    try:
        torch.save(state, file)  # type: ignore[arg-type]  # it needs no more of a file than these two methods
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise OSError(cause.errno, cause.strerror or str(cause), cause.filename) from error


def _publish(folder: RunFolder, aside: str, target: str, sha256: str) -> None:
    """Rename `aside` to `target`, which may exist already, with its checksum beside it.

    File and checksum cannot change in one step: in between, the checksum file holds both sums, so that a
    process that dies here leaves the old or the new checkpoint, never neither.
    """
    sums = f"{target}.sha256"
    old = _checksum_file(folder, target)
    new = _sum_line(sha256, target)
    folder.publish(sums, old + new)
    folder.rename(aside, target)
    if old:
        folder.publish(sums, new)
    folder.sync()


def _checksum_file(folder: RunFolder, name: str) -> bytes:
    """The checksum file of a checkpoint; empty where one of the two is missing or no file."""
    try:
        folder.status(name)
        return folder.read(f"{name}.sha256")
    except (FileNotFoundError, RefusedFile):
        return b""


def _sum_line(sha256: str, name: str) -> bytes:
    return f"{sha256}  {name}\n".encode()
