"""The checksums of the checkpoints of a run, by its log: the sum beside a file is replaced with the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import EventError
from wmse_tui.runs.log.encoding import decode
from wmse_tui.runs.log.events import Attempt, Checkpoint
from wmse_tui.runs.log.follow import LineFollower

_OF_INTEREST = re.compile(rb'"type"\s*:\s*"(?:checkpoint|attempt)"')


@dataclass(slots=True)
class LoggedChecksums:
    """SHA-256 by what has it.

    Attributes:
        files: by the name of a step's checkpoint. Where training went back to an earlier step, later ones are
            no longer here: their files may have been written again, by an attempt that could not log it.
        kinds: all that were ever logged as best, final ...
    """

    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    kinds: dict[str, set[str]] = field(default_factory=dict)

    def of(self, name: str) -> set[str]:
        """Those that the file called `name` may have; none where the log does not know it."""
        if name in self.files:
            return {self.files[name][1]}
        return self.kinds.get(name.removesuffix(".pt"), set())


def logged_checksums(run: RunDirectory) -> LoggedChecksums:
    """What the log of a run has; nothing where there is no log. Raises StorageError."""
    found = LoggedChecksums()
    lines = LineFollower(run.events, reading="read the run's log")
    while True:
        for line in lines.poll():
            if _OF_INTEREST.search(line):
                _add(line, found)
        if not lines.behind:
            return found


def _add(line: bytes, found: LoggedChecksums) -> None:
    try:
        event = decode(line).event
    except EventError:
        return
    if isinstance(event, Attempt):
        found.files = {name: known for name, known in found.files.items() if known[0] <= event.resume_step}
    elif isinstance(event, Checkpoint):
        found.files[event.file] = event.step, event.sha256
        for kind in event.kinds:
            found.kinds.setdefault(kind, set()).add(event.sha256)
