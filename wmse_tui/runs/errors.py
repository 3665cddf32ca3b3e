"""The errors of this package, each with what happened, where, and what to do next.

RunsError
├── EventError         a line of a log is no event of ours
│   └── NewerVersion   it was written by a later version of this program
├── StorageError       a file of a run cannot be made, opened or written
│   └── OutputExists   something exists already, and must not be replaced
├── BadPlace           runs cannot be written there, or the disk is full
│   └── NotAFolder     the folder for them is a file
├── BadRunName         a name that cannot name a run
├── RunExists          the name is taken
│   └── OtherConfiguration  by a run that was made from another configuration
├── BadTag             a text that cannot tag a run
├── NotARun            a directory that no run made, or a link to one
├── NotAnArchive       a file that is no archive of a run, or a damaged one
├── ForeignRun         the run belongs to another user
├── RunNotFound        no run has that id, prefix or path
│   └── RunAmbiguous   several runs do
├── RunBusy            a trainer holds the run
├── RunQueued          the run waits in the queue
├── NotQueued          it does not
├── TooFewSlots        a run needs more GPUs than the queue has slots
├── SchedulerError     SLURM is not there, or refuses
├── LocksUnsupported   the filesystem cannot lock files
├── ControlError       a request that no trainer understands
├── LaunchError        the trainer process cannot be started
└── EvaluationError    an evaluation after training failed
"""

from __future__ import annotations

import errno
from pathlib import Path

from wmse_tui.config.problems import ExplainedError
from wmse_tui.runs.text.sanitize import safe

SYSTEM_STEPS = {
    errno.ENOSPC: "free some space there (`wmse-tui rm RUN` removes old runs)",
    errno.EDQUOT: "free some space there: your quota is used up (`wmse-tui rm RUN` removes old runs)",
    errno.EFBIG: "raise the limit of the shell or the job: ulimit -f unlimited",
    errno.EMFILE: "raise the limit of the shell or the job: ulimit -n 1024",
    errno.ENFILE: "close other programs: this machine has too many open files",
    errno.EAGAIN: "end other processes, or raise the limit of the shell or the job: ulimit -u",
    errno.ENOMEM: "end other processes that use memory",
    errno.EACCES: "check the owner and mode of that path",
    errno.EPERM: "check the owner and mode of that path",
    errno.EROFS: "that file system is read-only: choose another folder",
    errno.EIO: "check `dmesg` for errors of the disk or the file server",
    errno.ESTALE: "check `dmesg` for errors of the disk or the file server",
    errno.ENOTCONN: "mount that file system again: its server or its program has ended",
    errno.ENOENT: "check that path: it may have been moved or removed",
    errno.EEXIST: "check that path: something else is in its place",
    errno.ENOTDIR: "check that path: a part of it is a file, not a folder",
    errno.ELOOP: "check that path: its links lead in a circle",
    errno.ENAMETOOLONG: "use a shorter name or path",
}
"""What can be done about an error of the operating system, by its number."""


class RunsError(ExplainedError):
    """A failure of this package."""

    code = "E_RUN"


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
        steps = (*next, *getattr(error, "next", ()))  # of a RefusedFile
        if not steps and error.errno in SYSTEM_STEPS:
            steps = (SYSTEM_STEPS[error.errno],)
        return cls(f"cannot {doing}", f"{safe(str(path))}: {error.strerror or error}", next=steps)


class OutputExists(StorageError):
    """Something exists already, and must not be replaced."""

    code = "E_OUTPUT_EXISTS"


class BadPlace(RunsError):
    """Runs cannot be written to the folder for them, or the disk is full."""

    code = "E_PLACE"


class NotAFolder(BadPlace):
    """The folder for runs is a file."""


class BadRunName(RunsError):
    """A name that cannot name a run."""

    code = "E_RUN_NAME"


class RunExists(RunsError):
    """The name is taken."""

    code = "E_RUN_EXISTS"


class OtherConfiguration(RunExists):
    """The name is taken by a run that was made from another configuration."""


class BadTag(RunsError):
    """A text that cannot tag a run, or one tag too many."""

    code = "E_TAG"


class NotARun(RunsError):
    """A directory that no run made."""

    code = "E_NOT_A_RUN"


class NotAnArchive(RunsError):
    """A file that is no archive of a run, or a damaged one."""

    code = "E_ARCHIVE"


class ForeignRun(RunsError):
    """The run belongs to another user: it is read, and not changed."""

    code = "E_FOREIGN_RUN"


class RunNotFound(RunsError):
    """No run has that id, prefix or path."""

    code = "E_RUN_NOT_FOUND"


class RunAmbiguous(RunNotFound):
    """Several runs begin with the given text."""


class RunBusy(RunsError):
    """A trainer holds the run; `pid` and `host` are those it recorded, if any."""

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

    def __init__(self, run: str, *, job: str = "") -> None:
        if job:
            steps: tuple[str, ...] = (f"cancel the job: wmse-tui queue cancel {run}",)
            super().__init__(f"run {run} waits as job {safe(job, 40)} of SLURM", next=steps)
            return
        steps = (
            f"let it go first: wmse-tui queue first {run} (and release {run}, if it is held)",
            f"take it out: wmse-tui queue cancel {run}",
        )
        super().__init__(f"run {run} waits in the queue", next=steps)


class NotQueued(RunsError):
    """The run is not in the queue."""

    code = "E_NOT_QUEUED"


class TooFewSlots(RunsError):
    """A run needs more GPUs than the queue has slots for it: it would wait for ever."""

    code = "E_SLOTS"


class SchedulerError(RunsError):
    """SLURM is not there, or refuses what is asked of it."""

    code = "E_SCHEDULER"


class LocksUnsupported(RunsError):
    """The filesystem cannot lock files, so two trainers could not exclude each other."""

    code = "E_LOCKS"


class ControlError(RunsError):
    """A request that no trainer understands, or that cannot be written."""

    code = "E_CONTROL"


class LaunchError(RunsError):
    """The trainer process cannot be started."""

    code = "E_LAUNCH"


class EvaluationError(RunsError):
    """An evaluation after training failed; its process has reported why."""

    code = "E_EVALUATION"
