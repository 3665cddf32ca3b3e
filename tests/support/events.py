"""Events, records and logs for tests."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.activity import ActivityLine, ActivityLog
from wmse_tui.runs.log.events import Record
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.state.watch import RunWatcher


def read_log(path: Path) -> tuple[Record, ...]:
    """All records of a log as it is now. Raises StorageError."""
    reader = EventReader(path)
    records = list(reader.poll())
    while reader.behind:
        records += reader.poll()
    return tuple(records)


def activity_of(run: RunDirectory) -> tuple[ActivityLine, ...]:
    """The activity lines of a run as it is now. Raises StorageError."""
    log = ActivityLog()
    RunWatcher(run, records=log).poll()
    return log.lines()
