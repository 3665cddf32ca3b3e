"""The failures of this room, each with what happened, where, and what to do next.

RunsError
├── EventError         a line of a log is no event of ours
│   └── NewerVersion   it was written by a later version of this program
├── StorageError       a file of a run cannot be made, opened or written
│   └── OutputExists   something is there already, and nobody said to replace it
├── BadPlace           runs cannot be written there, or there is no room
│   └── NotAFolder     what should hold them is a file
├── BadRunName         a name that cannot name a run
├── RunExists          the name is taken
├── BadTag             a text that cannot tag a run
├── NotARun            a directory that no run made
├── RunNotFound        nothing goes by that id, prefix or path
│   └── RunAmbiguous   several runs do
├── RunBusy            a trainer holds the run
├── RunQueued          the run waits in the queue
├── NotQueued          it does not
├── LocksUnsupported   the filesystem cannot lock files
├── ControlError       a request that no trainer understands
└── LaunchError        the trainer process cannot be started
"""

from __future__ import annotations

from pathlib import Path


class RunsError(Exception):
    """A failure with its explanation.

    Args:
        title: what happened, in one line.
        detail: the evidence: which file, which value, what was expected.
        next: what a person can do, most promising first.
    """

    code = "E_RUN"

    def __init__(self, title: str, detail: str = "", *, next: tuple[str, ...] = ()) -> None:  # noqa: A002
        super().__init__(title if not detail else f"{title}: {detail}")
        self.title = title
        self.detail = detail
        self.next = next


class EventError(RunsError):
    """A line of a log that is no event, or an event that no line can hold."""

    code = "E_EVENT"


class NewerVersion(EventError):
    """A log of a later version of this program."""


class StorageError(RunsError):
    """A file of a run cannot be made, opened or written."""

    code = "E_STORAGE"

    @classmethod
    def of(cls, doing: str, path: Path, error: OSError, *, next: tuple[str, ...] = ()) -> StorageError:  # noqa: A002
        """The error of the operating system, met while `doing` something to `path`."""
        return cls(f"cannot {doing}", f"{path}: {error.strerror or error}", next=next)


class OutputExists(StorageError):
    """Something is there already, and nobody said that it may be replaced."""

    code = "E_OUTPUT_EXISTS"


class BadPlace(RunsError):
    """Runs cannot be written to the folder for them, or there is no room."""

    code = "E_PLACE"


class NotAFolder(BadPlace):
    """What should hold the runs is a file."""


class BadRunName(RunsError):
    """A name that cannot name a run."""

    code = "E_RUN_NAME"


class RunExists(RunsError):
    """The name is taken."""

    code = "E_RUN_EXISTS"


class BadTag(RunsError):
    """A text that cannot tag a run, or one tag too many."""

    code = "E_TAG"


class NotARun(RunsError):
    """A directory that no run made."""

    code = "E_NOT_A_RUN"


class RunNotFound(RunsError):
    """Nothing goes by that id, prefix or path."""

    code = "E_RUN_NOT_FOUND"


class RunAmbiguous(RunNotFound):
    """Several runs begin with the given text."""


class RunBusy(RunsError):
    """A trainer holds the run; `pid` and `host` are what it wrote of itself, where it did."""

    code = "E_RUN_BUSY"

    def __init__(
        self, title: str, detail: str = "", *, run: str = "RUN", pid: int | None = None, host: str = ""
    ) -> None:
        steps = (f"watch it: wmse-tui attach {run}", f"end it: wmse-tui stop {run}")
        super().__init__(title, detail, next=steps)
        self.pid = pid
        self.host = host


class RunQueued(RunsError):
    """The run waits in the queue."""

    code = "E_RUN_QUEUED"

    def __init__(self, run: str) -> None:
        steps = (
            f"let it go first: wmse-tui queue first {run} (and release {run}, if it is held)",
            f"take it out: wmse-tui queue cancel {run}",
        )
        super().__init__(f"run {run} waits in the queue", next=steps)


class NotQueued(RunsError):
    """The run has no place in the queue."""

    code = "E_NOT_QUEUED"


class LocksUnsupported(RunsError):
    """The filesystem cannot lock files, so two trainers could not exclude each other."""

    code = "E_LOCKS"


class ControlError(RunsError):
    """A request that no trainer understands, or that cannot be left in the run."""

    code = "E_CONTROL"


class LaunchError(RunsError):
    """The trainer process cannot be started."""

    code = "E_LAUNCH"
