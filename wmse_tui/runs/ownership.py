"""Whether a run may be changed by this user: trained, stopped, removed, tagged, queued."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

from wmse_tui.runs.directory import FOLDERS, OTHER_FOLDERS, RunDirectory
from wmse_tui.runs.errors import ForeignRun, NotARun, StorageError
from wmse_tui.runs.run_folder import NotOwned, require_own_folder
from wmse_tui.runs.text.sanitize import safe


def require_own(run: RunDirectory, *, folders: tuple[str, ...] = (*FOLDERS, *OTHER_FOLDERS)) -> None:
    """Refuse a run that is not this user's, also to root, and one whose `folders` are links.

    Raises:
        NotARun: it was named or listed by a link.
        ForeignRun: the directory, or a folder in it, belongs to another user.
        StorageError: it is a link or no folder, or cannot be opened.
    """
    link = run.path if run.path.is_symlink() else run.link
    if link is not None:
        raise NotARun(
            "this is a link to a directory, not a run",
            safe(str(link), 200),
            next=(f"name the directory itself: {safe(str(run.path.resolve()), 200)}",),
        )
    for path in (run.path, *(run.path / name for name in folders)):
        try:
            require_own_folder(path)
        except NotOwned as error:
            raise ForeignRun(
                f"the run {safe(run.id, 64)} is not yours to change",
                f"{safe(str(path), 200)}: {error.strerror}",
                next=(
                    f"read it: wmse-tui show {safe(run.id, 64)}",
                    "to continue it, copy its directory into your folder of runs, and resume the copy",
                ),
            ) from None
        except FileNotFoundError:
            continue  # what is not there is not changed
        except OSError as error:
            raise StorageError.of("change the run", path, error) from error


def opening_steps(path: Path) -> tuple[str, ...]:
    """The command that opens the directory of a run, which may not be read, to this user."""
    name = safe(shlex.quote(str(path)), 200)
    with suppress(OSError):
        if path.stat().st_uid == os.geteuid():
            return (f"open it: chmod -R u+rwX {name}",)
    return (f"ask its owner to open it: chmod -R go+rX {name}",)
