"""Files that a user asks for: written whole, and in place of another file only where that is wanted."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wmse_tui.runs.errors import OutputExists, StorageError
from wmse_tui.runs.text.sanitize import safe


def refuse_existing(paths: tuple[Path, ...]) -> None:
    """Refuse to write over what is there. Raises OutputExists."""
    for path in paths:
        if os.path.lexists(path):
            raise OutputExists(
                "there is a file of that name already",
                safe(str(path), 300),
                next=("replace it: --force", "choose another name: -o"),
            )


@contextmanager
def folder_aside(target: Path) -> Iterator[Path]:
    """A private folder on the file system of `target`, removed with all that is in it at the end.

    Raises:
        StorageError: the folder of `target` is missing, or nothing can be written there.
    """
    try:
        aside = Path(tempfile.mkdtemp(prefix=".wmse-tui-export-", dir=target.parent))
    except OSError as error:
        raise StorageError.of(
            "write the export", target.parent, error, next=("choose another: -o",)
        ) from error
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def put_in_place(source: Path, target: Path, *, overwrite: bool) -> None:
    """Rename `source`, a file or a folder, to `target`.

    A folder that is to replace one is put into it, file by file: what else is there stays.

    Raises:
        OutputExists: there is something already, and `overwrite` is not set.
        StorageError: it cannot be renamed.
    """
    try:
        if source.is_dir():
            target.mkdir(exist_ok=overwrite)
            if overwrite:
                for file in source.iterdir():
                    file.replace(target / file.name)
            else:
                source.replace(target)  # over the empty folder that this process has just made
            return
        if not overwrite:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        try:
            source.replace(target)
        except OSError:
            if not overwrite:
                with suppress(OSError):
                    target.unlink()
            raise
    except FileExistsError:
        raise OutputExists("there is a file of that name already", safe(str(target), 300)) from None
    except OSError as error:
        raise StorageError.of("write the export", target, error) from error


def write_output(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write `text` to `path` as UTF-8, its line ends as they are.

    Raises:
        OutputExists: there is a file already, and `overwrite` is not set.
        StorageError: the folder is missing, it is a directory, the disk is full ...
    """
    try:
        file = path.open("wb" if overwrite else "xb")
    except FileExistsError:
        raise OutputExists("there is a file of that name already", safe(str(path), 300)) from None
    except FileNotFoundError:
        folder = safe(str(path.parent), 300)
        raise StorageError("cannot write the file", f"there is no folder {folder}") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise _failed(path, error) from error
    try:
        with file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        if not overwrite:
            with suppress(OSError):
                path.unlink()
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError | ValueError) -> StorageError:
    if isinstance(error, OSError):
        return StorageError.of("write the file", path, error)
    return StorageError("cannot write the file", f"{safe(str(path), 300)}: {error}")
