"""Followers of a run: processes that publish its numbers elsewhere (`wmse_tui.publish`).

Their targets are noted in the run, `followers/<target>.json`, with how far each came; every trainer of the
run starts those that are noted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec

from wmse_tui.config.problems import did_you_mean
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError, StorageError
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.process.launch import disown, start_detached
from wmse_tui.runs.process.lock import acquire_lock
from wmse_tui.runs.run_folder import RunFolder, append_to_file, publish_file, read_file

FORMAT = 1
ADD = "add it: wmse-tui follow {} --to {}"


class PublishError(RunsError):
    """A target makes no sense, or its service cannot be used."""

    code = "E_PUBLISH"


@dataclass(frozen=True, slots=True)
class Target:
    """A service and its options, as `wandb:project=ssl,mode=offline` names them."""

    service: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Target:
        """The target that `text` names. Raises PublishError."""
        name, _, rest = text.partition(":")
        if name not in OPTIONS:
            known = ", ".join(OPTIONS)
            guess = did_you_mean(name, OPTIONS)
            raise PublishError(
                f"there is no service {name!r}", f"there are {known}", next=(guess,) if guess else ()
            )
        options: dict[str, str] = {}
        for item in filter(None, rest.split(",")):
            key, equals, value = item.partition("=")
            if not equals or not value or key not in OPTIONS[name]:
                raise PublishError(
                    f"{name} has no option {item!r}",
                    f"an option is KEY=VALUE, and the keys are {', '.join(OPTIONS[name])}",
                )
            options[key] = value
        return cls(name, options)

    def text(self) -> str:
        """As `parse` reads it."""
        listed = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.service}:{listed}" if listed else self.service


OPTIONS: Mapping[str, Mapping[str, str]] = {
    "tensorboard": {"dir": "folder of the event files (default: in the run)"},
    "csv": {"dir": "folder of the tables (default: in the run)"},
    "wandb": {
        "project": "W&B project (default: wmse-tui)",
        "entity": "W&B team or user",
        "name": "of the W&B run (default: the run's id)",
        "mode": "online or offline (default: WANDB_MODE, or online)",
    },
    "mlflow": {
        "uri": "tracking server or folder (default: MLFLOW_TRACKING_URI)",
        "experiment": "MLflow experiment (default: wmse-tui)",
        "name": "of the MLflow run (default: the run's id)",
    },
}
"""The services, and the options of each."""

PACKAGES: Mapping[str, str] = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
"""The package that a service needs; the extra of this project has the service's name."""


@dataclass(frozen=True, slots=True)
class SentPosition:
    """How far a target has received a run: the newest batch, and what the service calls the run."""

    seq: int = 0
    step: int = 0
    rows: int = 0
    remote: str = ""


class PositionFile:
    """How far a target has received a run: `followers/<target>.json`, which `resume` also reads."""

    def __init__(self, run: RunDirectory, target: Target) -> None:
        self.target = target
        self._run = run
        name = re.sub(r"[^A-Za-z0-9._=-]+", "-", target.text())[:80]
        self.path = run.followers / f"{name}.json"

    def read(self) -> SentPosition:
        """The position; that of the beginning where there is no file, or a damaged one."""
        try:
            values = json.loads(read_file(self.path))
            seq, step, rows = (values[name] for name in ("seq", "step", "rows"))
            if values["v"] == FORMAT and all(isinstance(n, int) and n >= 0 for n in (seq, step, rows)):
                return SentPosition(seq, step, rows, str(values["remote"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        return SentPosition()

    def write(self, position: SentPosition) -> None:
        """Publish the position. Raises OSError."""
        values = {
            "v": FORMAT,
            "target": self.target.text(),
            "directory": _identity(self._run),
            **asdict(position),
        }
        publish_file(self.path, (json.dumps(values) + "\n").encode())


def note_follower(run: RunDirectory, target: Target) -> None:
    """Note a target in the run, where it is not noted yet. Raises StorageError."""
    file = PositionFile(run, target)
    try:
        with RunFolder(run.path, own=True) as folder:
            folder.make_folder(run.followers.name)
        if not file.path.exists():
            file.write(SentPosition())
    except OSError as error:
        raise StorageError.of("note a target in the run", file.path, error) from error


def followers_of(run: RunDirectory) -> list[tuple[str, SentPosition]]:
    """The targets noted in the run, as text, and how far each has it; what is damaged is left out."""
    found = []
    for name in _notes(run):
        with suppress(RunsError, OSError, ValueError, KeyError, TypeError, RecursionError):
            target = Target.parse(str(json.loads(read_file(run.followers / name))["target"]))
            found.append((target.text(), PositionFile(run, target).read()))
    return found


def start_followers(run: RunDirectory) -> Iterator[str]:
    """Start a follower for each target noted in the run; yields what could not be started, and why.

    A note is of one directory (device and inode): a copy of a run, which may be another user's, starts
    nothing and sends nothing until a target is added to it.
    """
    for name in _notes(run):
        try:
            noted = json.loads(read_file(run.followers / name))
            target = Target.parse(str(noted["target"]))
            if noted["directory"] != _identity(run):
                yield f"{name}: it was noted in another directory; {ADD.format(run.id, target.text())}"
                continue
            require_package(target)
            log = append_to_file(PositionFile(run, target).path.with_suffix(".log"))
            disown(start_detached(follower_command(run, target), log))
        except RunsError as error:
            yield f"{name}: {error.title}" + (f" ({error.next[0]})" if error.next else "")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            yield f"{name}: {error}"


def _notes(run: RunDirectory) -> list[str]:
    """The names of the files that note a target; none where there never was one."""
    try:
        with RunFolder(run.followers) as folder:
            return sorted(name for name in folder.names() if name.endswith(".json"))
    except OSError:
        return []


def _identity(run: RunDirectory) -> list[int]:
    about = run.path.stat()
    return [about.st_dev, about.st_ino]


def follower_command(run: RunDirectory, target: Target, *options: str) -> list[str]:
    """The command line of a follower."""
    return interpreter_command("wmse_tui.publish", str(run.path), target.text(), *options)


def require_package(target: Target) -> None:
    """Raise PublishError where the package of the target's service is not installed."""
    package = PACKAGES.get(target.service)
    if package is not None and find_spec(package) is None:
        raise PublishError(
            f"{target.service} needs a package that is not installed",
            package,
            next=(f"pip install 'wmse-tui[{target.service}]'",),
        )


def lock_target(run: RunDirectory, target: Target) -> int:
    """Acquire a target of the run for this process: the descriptor that holds it.

    Raises:
        PublishError: another follower has it.
        StorageError, LocksUnsupported: it cannot be locked.
    """
    note_follower(run, target)
    lock = acquire_lock(PositionFile(run, target).path.with_suffix(".lock"))
    if lock is None:
        raise PublishError(
            f"run {run.id} is being followed for {target.text()} already",
            "one follower serves a target",
            next=("name another target: a project, a folder or a name of its own",),
        )
    return lock
