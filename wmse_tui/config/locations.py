"""Paths on this machine: data, runs, the user's presets and settings, cache, queue, saved screens.

    what      environment variable   else
    data      WMSE_TUI_DATA          $XDG_DATA_HOME/wmse-tui/data      (~/.local/share/wmse-tui/data)
    runs      WMSE_TUI_RUNS          $XDG_DATA_HOME/wmse-tui/runs      (~/.local/share/wmse-tui/runs)
    presets   WMSE_TUI_PRESETS       $XDG_CONFIG_HOME/wmse-tui/presets (~/.config/wmse-tui/presets)
    settings  WMSE_TUI_SETTINGS      $XDG_CONFIG_HOME/wmse-tui/settings.yaml
    cache     WMSE_TUI_CACHE         $XDG_CACHE_HOME/wmse-tui          (~/.cache/wmse-tui)
    compiled  TORCHINDUCTOR_CACHE_DIR $XDG_CACHE_HOME/wmse-tui/compiled, always private
    queue     WMSE_TUI_QUEUE         $XDG_STATE_HOME/wmse-tui/queue    (~/.local/state/wmse-tui/queue)
    screens   WMSE_TUI_SCREENS       $XDG_STATE_HOME/wmse-tui/screens.json

An empty variable counts as unset. XDG variables that are not absolute are ignored, as their specification
asks. The project's own may be relative to the working directory and may start with `~`. A user without a home
(no HOME and no entry in the password file) has a private folder among the temporary ones instead. Nothing
else is created here.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from wmse_tui.config.atomic import make_private_folder

APP = "wmse-tui"


def data_dir() -> Path:
    """The folder of downloaded data sets, absolute."""
    return _own("WMSE_TUI_DATA") or _xdg("XDG_DATA_HOME", ".local/share") / APP / "data"


def runs_dir() -> Path:
    """The folder of run directories, absolute."""
    return _own("WMSE_TUI_RUNS") or _xdg("XDG_DATA_HOME", ".local/share") / APP / "runs"


def user_presets_dir() -> Path:
    """The folder of the user's own presets, absolute."""
    return _own("WMSE_TUI_PRESETS") or _xdg("XDG_CONFIG_HOME", ".config") / APP / "presets"


def settings_file() -> Path:
    """The file with the user's settings of the app, absolute."""
    return _own("WMSE_TUI_SETTINGS") or _xdg("XDG_CONFIG_HOME", ".config") / APP / "settings.yaml"


def cache_dir() -> Path:
    """The cache folder, whose files can be computed again; absolute."""
    return _own("WMSE_TUI_CACHE") or _xdg("XDG_CACHE_HOME", ".cache") / APP


def compiled_dir() -> Path:
    """The folder of compiled code, absolute: it is executed, so no other user may have written it.

    WMSE_TUI_CACHE, which several users may share, does not move it. Where it cannot be made, or is not
    this user's alone, it is a new temporary folder, and nothing is compiled for the next start.
    """
    folder = _xdg("XDG_CACHE_HOME", ".cache") / APP / "compiled"
    with suppress(OSError):
        make_private_folder(folder)
        _require_private(folder)
        return folder
    return Path(tempfile.mkdtemp(prefix=f"{APP}-compiled-"))


def queue_dir() -> Path:
    """The folder of the queue's tickets and slots, absolute; one for all folders of runs."""
    return _own("WMSE_TUI_QUEUE") or _xdg("XDG_STATE_HOME", ".local/state") / APP / "queue"


def screens_file() -> Path:
    """The file in which the app saves what its screens show, absolute."""
    return _own("WMSE_TUI_SCREENS") or _xdg("XDG_STATE_HOME", ".local/state") / APP / "screens.json"


def expanded(path: Path, base: Path | None = None) -> Path:
    """`path` made absolute: `~` is home, relative ones start at `base` or the working directory."""
    with suppress(RuntimeError, ValueError):  # no such user: it is the name of a folder
        path = path.expanduser()
    if path.is_absolute():
        return path  # not asking for the working directory, which may have been deleted
    if base is not None:
        return base.absolute() / path
    try:
        return Path.cwd() / path
    except FileNotFoundError:
        reason = "is relative to a working directory that has been deleted"
        raise FileNotFoundError(errno.ENOENT, reason, str(path)) from None


def working_dir() -> Path:
    """The working directory; the home where it has been deleted under the process."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return home()


def _own(variable: str) -> Path | None:
    value = os.environ.get(variable, "")
    return expanded(Path(value)) if value else None


def _xdg(variable: str, default: str) -> Path:
    value = Path(os.environ.get(variable, ""))
    return value if value.is_absolute() else home() / default


def has_home() -> bool:
    """Whether the system knows a home of this user."""
    try:
        Path.home()
    except RuntimeError:
        return False
    return True


def home() -> Path:
    """The user's home; without one, a private temporary folder, which is made.

    Raises:
        PermissionError: another user has made a folder of that name.
    """
    with suppress(RuntimeError):
        return Path.home()
    folder = Path(tempfile.gettempdir()) / f"{APP}-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    _require_private(folder)
    return folder


def _require_private(folder: Path) -> None:
    """Raise PermissionError unless `folder` is a real one that only this user may write."""
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "belongs to another user; set HOME", str(folder))
    if about.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "other users may write it", str(folder))
