"""A whole run as one file, and back: `wmse-tui export --format archive` and `wmse-tui import`.

The file is an uncompressed tar (weights do not compress) of regular files. Its first member, `manifest.json`,
has the size and the SHA-256 of each of the others, and nothing is put in place before every sum was checked.
Locks, control requests and process records stay behind: they belong to a machine.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from wmse_tui.config.atomic import make_private_folder
from wmse_tui.config.regular_files import open_regular
from wmse_tui.runs.directory import FOLDERS, RunDirectory, check_name
from wmse_tui.runs.errors import NotAnArchive, RunExists, StorageError
from wmse_tui.runs.output import folder_aside, put_in_place, refuse_existing
from wmse_tui.runs.run_folder import RunFolder, open_file
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import size as size_text

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**20  # bytes; one of 1,000 files has 150 KB
CHUNK = 2**20

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}"
_MEMBER = re.compile(
    rf"config\.yaml|events\.jsonl|annotations\.json|(evaluations|artifacts|checkpoints)/{_PART}"
)
_STEP = re.compile(r"step-\d+\.pt")


@dataclass(frozen=True, slots=True)
class _Member:
    """One file of an archive that is being written: its open file, and how much of it belongs to the run."""

    file: IO[bytes]
    bytes: int
    sha256: str


def write_archive(
    run: RunDirectory, path: Path, *, every_checkpoint: bool = False, overwrite: bool = False
) -> dict[str, Any]:
    """Write `run` to the file `path`, also while it trains: its log up to the last whole line.

    Args:
        every_checkpoint: all of them, not only the final, the best and the newest.
        overwrite: replace what is there.

    Returns:
        The manifest.

    Raises:
        OutputExists: there is a file already, and `overwrite` is not set.
        StorageError: a file of the run cannot be read, or the archive cannot be written.
    """
    if not overwrite:
        refuse_existing((path,))
    with ExitStack() as opened, folder_aside(path) as aside:
        try:
            found, same = _found(run, every_checkpoint, opened)
            _require_space(aside, sum(size for _, size in found.values()))
            members = {
                name: _member(file, size, name == run.events.name) for name, (file, size) in found.items()
            }
            files = {name: {"bytes": m.bytes, "sha256": m.sha256} for name, m in members.items()}
            manifest = {"v": FORMAT, "run": run.id, "files": files, "same": same}
            file = aside / path.name
            with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
                text = (json.dumps(manifest, indent=1) + "\n").encode()
                archive.addfile(_header(MANIFEST, len(text)), io.BytesIO(text))
                for name, member in members.items():
                    member.file.seek(0)
                    archive.addfile(_header(name, member.bytes), member.file)
        except OSError as error:
            raise StorageError.of("archive the run", Path(error.filename or run.path), error) from error
        put_in_place(file, path, overwrite=overwrite)
    return manifest


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header


def _found(
    run: RunDirectory, every_checkpoint: bool, opened: ExitStack
) -> tuple[dict[str, tuple[IO[bytes], int]], dict[str, str]]:
    """The open files of the archive and their bytes by name, and the other names of the same files."""
    found: dict[str, tuple[IO[bytes], int]] = {}
    same: dict[str, str] = {}
    first: dict[tuple[int, int], str] = {}
    for path in _paths(run, every_checkpoint):
        name = path.relative_to(run.path).as_posix()
        try:
            file = opened.enter_context(open_file(path))
        except FileNotFoundError:  # pruned just now, or never written
            continue
        about = os.fstat(file.fileno())
        if (known := first.setdefault((about.st_dev, about.st_ino), name)) != name:
            same[name] = known
            continue
        found[name] = file, about.st_size
    return found, same


def _require_space(folder: Path, needed: int) -> None:
    """Raise OSError, before anything is read, where files of these bytes do not fit the disk."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC, f"its files have {size_text(needed)}, and {size_text(free)} are free", str(folder)
        )


def _member(file: IO[bytes], size: int, is_log: bool) -> _Member:
    size = _whole_lines(file, size) if is_log else size
    return _Member(file, size, _sha256(file, size))


def _paths(run: RunDirectory, every_checkpoint: bool) -> Iterator[Path]:
    yield from (run.config, run.events, run.annotations)
    for folder in (run.evaluations, run.artifacts):
        yield from sorted(path for path in _files(folder) if _MEMBER.fullmatch(f"{folder.name}/{path.name}"))
    checkpoints = [path for path in _files(run.checkpoints) if path.suffix == ".pt"]
    steps = sorted((path for path in checkpoints if _STEP.fullmatch(path.name)), key=_step)
    named = [path for name in ("final.pt", "best.pt") if (path := run.checkpoints / name) in checkpoints]
    for path in (*(steps if every_checkpoint else steps[-1:]), *named):
        yield path
        yield path.with_name(path.name + ".sha256")


def _files(folder: Path) -> list[Path]:
    """The regular files in a folder of the run; none where there is no such folder."""
    try:
        with RunFolder(folder) as opened:
            names = [name for name in opened.names() if stat.S_ISREG(opened.status(name).st_mode)]
    except FileNotFoundError:
        return []
    return [folder / name for name in names]


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _whole_lines(file: IO[bytes], size: int) -> int:
    """The bytes of a log of `size` bytes up to its last whole line."""
    end = size
    while end > 0:
        start = max(0, end - CHUNK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sha256(file: IO[bytes], size: int) -> str:
    file.seek(0)
    return _copy(file, None, size)


def _copy(source: IO[bytes], target: IO[bytes] | None, size: int) -> str:
    """Copy `size` bytes; returns their SHA-256. Raises EOFError where there are fewer."""
    digest = hashlib.sha256()
    while size:
        chunk = source.read(min(CHUNK, size))
        if not chunk:
            raise EOFError
        digest.update(chunk)
        if target is not None:
            target.write(chunk)
        size -= len(chunk)
    return digest.hexdigest()


def import_archive(path: Path, root: Path, *, name: str | None = None) -> RunDirectory:
    """Unpack an archive into a new run under `root`; it appears whole, or not at all.

    Args:
        name: of the run; None: the one that it had.

    Raises:
        NotAnArchive: it is none, is damaged, or holds what no run has: links, paths, other files.
        BadRunName, RunExists: what is wrong with the name.
        StorageError: the archive cannot be read, or the run cannot be written.
    """
    try:
        make_private_folder(root)
        with open_regular(path) as file, _unpacking(root) as aside:
            wanted = _unpack(file, path, aside)
            chosen = name if name is not None else wanted
            check_name(chosen)
            run = root / chosen
            try:
                run.mkdir(mode=0o700)
            except FileExistsError:
                raise RunExists(
                    f"there is a run named {chosen} already", str(run), next=("choose another --name",)
                ) from None
            aside.replace(run)  # over the empty folder that this process has just made
    except OSError as error:
        raise StorageError.of("import the run", Path(error.filename or path), error) from error
    return RunDirectory(run.resolve())


@contextmanager
def _unpacking(root: Path) -> Iterator[Path]:
    aside = Path(tempfile.mkdtemp(prefix=".import-", dir=root))
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unpack(file: IO[bytes], path: Path, aside: Path) -> str:
    """Unpack into the folder `aside` and check every sum; returns the name of the run."""
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            manifest = _read_manifest(archive, path)
            files: Mapping[str, Any] = manifest["files"]
            free = shutil.disk_usage(aside).free
            if sum(each["bytes"] for each in files.values()) > free:
                raise StorageError(
                    "the disk has too little space for the run", f"{aside.parent}: {free:,} bytes free"
                )
            for folder in FOLDERS:
                (aside / folder).mkdir(mode=0o700)
            missing = set(files)
            while (member := archive.next()) is not None:
                if member.name not in missing or not member.isreg() or member.issparse():
                    raise _damaged(path, f"{safe(member.name, 80)!r} is not a file that its manifest lists")
                about = files[member.name]
                source = archive.extractfile(member)
                if source is None or member.size != about["bytes"]:
                    raise _damaged(path, f"{member.name} has {member.size} bytes, not {about['bytes']}")
                with _new_file(aside / member.name) as target:
                    if _copy(source, target, member.size) != about["sha256"]:
                        raise _damaged(path, f"the SHA-256 of {member.name} is another one")
                missing.remove(member.name)
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(path, str(error) or "it ends too early") from error
    if missing:
        raise _damaged(path, f"{sorted(missing)[0]} is missing")
    for other, first in manifest["same"].items():
        _link(aside / first, aside / other)
    return str(manifest["run"])


def _read_manifest(archive: tarfile.TarFile, path: Path) -> dict[str, Any]:
    first = archive.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > LARGEST_MANIFEST:
        raise _damaged(path, f"its first member is not {MANIFEST}")
    source = archive.extractfile(first)
    try:
        manifest = json.loads(source.read() if source is not None else b"")
        names = [*manifest["files"], *manifest["same"]]
        valid = (
            all(_MEMBER.fullmatch(name) for name in names)
            and all(
                _is_size(each["bytes"]) and isinstance(each["sha256"], str)
                for each in manifest["files"].values()
            )
            and all(first in manifest["files"] for first in manifest["same"].values())
            and not set(manifest["files"]) & set(manifest["same"])
            and isinstance(manifest["run"], str)
            and "config.yaml" in manifest["files"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        valid = False
    if not valid:
        raise _damaged(path, f"its {MANIFEST} cannot be used")
    if manifest.get("v") != FORMAT:
        raise NotAnArchive(
            f"{safe(str(path), 200)} has the archive format {safe(str(manifest.get('v')), 20)}",
            f"this version reads format {FORMAT}",
            next=("use the version of wmse-tui that wrote it",),
        )
    result: dict[str, Any] = manifest
    return result


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _link(source: Path, target: Path) -> None:
    """One more name of `source`; a copy on a file system without hard links."""
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:
        with source.open("rb") as file, _new_file(target) as copy:
            shutil.copyfileobj(file, copy)


def _damaged(path: Path, why: str) -> NotAnArchive:
    return NotAnArchive(
        f"{safe(str(path), 200)} is not an archive of a run",
        why,
        next=("make one: wmse-tui export RUN --format archive", "transfer it again if it was cut"),
    )
