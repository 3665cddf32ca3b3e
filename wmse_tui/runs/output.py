"""A text written where a person wants it, and nothing overwritten that they did not mean."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from wmse_tui.runs.errors import OutputExists, StorageError
from wmse_tui.runs.text.sanitize import safe


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
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StorageError("cannot write the file", f"{safe(str(path), 300)}: {why}")
