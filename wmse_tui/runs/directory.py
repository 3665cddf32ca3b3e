"""The directory of a run: the paths in it, and how one is made.

A directory is a run once its `config.yaml` is there. That file is put in place last, so that a run is
whole or is not.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from wmse_tui.config.atomic import make_private_folder
from wmse_tui.runs.errors import BadRunName, RunExists, StorageError
from wmse_tui.runs.run_folder import RunFolder
from wmse_tui.runs.text.sanitize import safe

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CHECKPOINT = re.compile(r"step-(\d{8,15})\.pt")
_RESERVED = ("last",)  # the name of the newest run on the command line
FOLDERS = ("control", "checkpoints", "evaluations", "artifacts")
OTHER_FOLDERS = ("followers", "features")
"""Those that not every run has."""
FILES = (
    "config.yaml",
    "events.jsonl",
    "events.digest",
    "trainer.log",
    "trainer.lock",
    "queue.lock",
    "trainer.json",
    "reserve",
    "rendezvous.json",
    "annotations.json",
    "slurm.sh",
    "slurm.log",
    "slurm.json",
)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The paths inside one run; the directory itself may not exist.

    Args:
        path: the directory.
        link: the link through which it was named or listed; such a run is read, and not changed.
    """

    path: Path
    link: Path | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def digest(self) -> Path:
        """What the log folds to (`runs/state/digest.py`); safe to remove."""
        return self.path / "events.digest"

    @property
    def trainer_log(self) -> Path:
        return self.path / "trainer.log"

    @property
    def lock(self) -> Path:
        return self.path / "trainer.lock"

    @property
    def queue_lock(self) -> Path:
        """Locked while the run waits in the queue; exists, but is free, where it lost its position."""
        return self.path / "queue.lock"

    @property
    def trainer_json(self) -> Path:
        return self.path / "trainer.json"

    @property
    def reserve(self) -> Path:
        return self.path / "reserve"

    @property
    def rendezvous(self) -> Path:
        """Where ranks that a launcher started find rank 0."""
        return self.path / "rendezvous.json"

    @property
    def annotations(self) -> Path:
        return self.path / "annotations.json"

    @property
    def slurm_script(self) -> Path:
        """The script of the run's last job in SLURM."""
        return self.path / "slurm.sh"

    @property
    def slurm_log(self) -> Path:
        """What the run's jobs printed."""
        return self.path / "slurm.log"

    @property
    def slurm_job(self) -> Path:
        """The id of the run's last job in SLURM."""
        return self.path / "slurm.json"

    @property
    def control(self) -> Path:
        return self.path / "control"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def followers(self) -> Path:
        """What was published elsewhere, and how far; made by the first follower."""
        return self.path / "followers"

    @property
    def features(self) -> Path:
        """Cached features of other images (`engine/evaluation/feature_cache.py`); safe to remove."""
        return self.path / "features"

    def is_run(self) -> bool:
        """Whether this directory was made by `create_run`: the configuration and the folders are there.

        Links in their places count, though none is ever opened: the run is listed, with what is wrong.
        False for a directory that this process may not read, such as another user's run.
        """
        return self.made() is not None and self.has_folders()

    def made(self) -> int | None:
        """When the configuration was put in place, in nanoseconds; None where there is none to read."""
        try:
            status = self.config.lstat()
        except (OSError, ValueError):
            return None
        return status.st_mtime_ns if stat.S_IFMT(status.st_mode) in (stat.S_IFREG, stat.S_IFLNK) else None

    def has_folders(self) -> bool:
        """Whether the folders are there by which a run differs from any folder with a `config.yaml`."""
        try:
            return _is(self.control, stat.S_IFDIR) and _is(self.checkpoints, stat.S_IFDIR)
        except OSError:
            return False

    def unreadable(self) -> str:
        """Why this process cannot look into the directory; "" where it can, or where there is none."""
        try:
            self.config.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            with suppress(OSError):
                about = self.path.stat()
                mode = f"{about.st_mode & 0o777:03o}"
                return f"{error.strerror}: it belongs to user {about.st_uid} with mode {mode}"
            return error.strerror or str(error)
        return ""


def create_run(
    root: Path, config_text: str, *, name: str | None = None, preset_hint: str = ""
) -> RunDirectory:
    """A new run under `root`, with `config_text` as its configuration for good.

    Its id is `name`, or else `<preset_hint>-<date>-<time>` with a number where two runs begin in one second;
    the exclusive mkdir decides between processes. Nothing is left behind where it cannot be finished.

    Raises:
        BadRunName, RunExists: what is wrong with `name`.
        StorageError: the directory or a file in it cannot be made.
    """
    if name is not None:
        check_name(name)
    try:
        make_private_folder(root)
        path = _exclusive(root, name, preset_hint)
    except FileExistsError:
        if name is not None and (root / name).exists():
            other = "choose another --name"
            own = (root / name).lstat().st_uid == os.geteuid()
            raise RunExists(
                f"there is a run named {name} already",
                str(root / name) if own else f"{root / name}, which is another user's",
                next=(f"continue it: wmse-tui resume {name}", other) if own else (other,),
            ) from None
        raise StorageError("cannot make the run directory", f"{root} is no directory") from None
    except OSError as error:
        fix = "choose another folder: --runs-dir, or WMSE_TUI_RUNS"
        raise StorageError.of("make the run directory", root, error, next=(fix,)) from error
    run = RunDirectory(path.resolve())
    try:
        with RunFolder(run.path, own=True) as folder:
            with suppress(OSError):  # refused by CIFS, exFAT and others; mkdir has made it private already
                folder.make_private()
            for name in FOLDERS:
                folder.make_folder(name)
            folder.publish(run.config.name, config_text.encode())
    except OSError as error:
        shutil.rmtree(run.path, ignore_errors=True)
        raise StorageError.of("fill the run directory", run.path, error) from error
    return run


def _is(path: Path, kind: int) -> bool:
    return stat.S_IFMT(path.lstat().st_mode) in (kind, stat.S_IFLNK)


def checkpoint_step(name: str) -> int | None:
    """The step of the checkpoint whose file has this name; None: it is no checkpoint of a step."""
    match = _CHECKPOINT.fullmatch(name)
    return None if match is None else int(match[1])


def check_name(name: str) -> None:
    """Refuse what cannot name a run. Raises BadRunName."""
    if name in _RESERVED:
        raise BadRunName(f"a run cannot be named {name}", "that name means the newest run")
    if not _NAME.fullmatch(name):
        raise BadRunName(
            f"{safe(name, 80)!r} cannot name a run",
            "a name has 1 to 64 letters, digits, dots, dashes and underscores of ASCII,"
            " and begins with a letter or a digit",
        )


def _exclusive(root: Path, name: str | None, preset_hint: str) -> Path:
    if name is not None:
        (root / name).mkdir(mode=0o700)
        return root / name
    hint = re.sub(r"[^A-Za-z0-9._-]+", "-", preset_hint).strip("._-")[:40] or "run"
    stem = f"{hint}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    number = 1
    while True:
        path = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if not root.is_dir():
                raise
            number += 1
        else:
            return path
