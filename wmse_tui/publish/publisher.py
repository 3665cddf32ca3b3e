"""The process that follows one run for one target: it polls the log, sends, notes how far it came."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from wmse_tui.publish.batches import Batch
from wmse_tui.publish.service import MetricService, stream_for
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import SYSTEM_STEPS, StorageError
from wmse_tui.runs.followers import (
    PositionFile,
    PublishError,
    SentPosition,
    Target,
    lock_target,
    require_package,
)
from wmse_tui.runs.log.events import Record
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.run_folder import RunFolder, require_own_folder
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.runs.text.sanitize import safe

POLL_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
TRIES = 5  # of a follower that sends once; others never give up


def connect(target: Target, run: RunDirectory) -> MetricService:
    """The service of a target; imports what it needs. Raises PublishError."""
    require_package(target)
    folder = _folder(target, run)
    match target.service:
        case "tensorboard":
            from wmse_tui.publish.tensorboard_files import TensorBoardFiles

            return TensorBoardFiles(folder)
        case "csv":
            from wmse_tui.publish.csv_tables import CsvTables

            return CsvTables(folder)
        case "wandb":
            from wmse_tui.publish.wandb_run import WandbRun

            return WandbRun(target)
        case _:
            from wmse_tui.publish.mlflow_run import MlflowRun

            return MlflowRun(target)


def _folder(target: Target, run: RunDirectory) -> Path:
    """The folder of a target's files: the one that its options name, or one in the run."""
    if "dir" in target.options:
        return Path(target.options["dir"]).expanduser().absolute()
    folder = run.followers / target.service
    try:
        with RunFolder(run.followers, own=True) as followers:
            followers.make_folder(target.service)
        require_own_folder(folder)
    except OSError as error:
        raise StorageError.of("write the target's files", folder, error) from error
    return folder


class Records:
    """The records of the log that were read and not yet taken (a `RecordSink`)."""

    def __init__(self) -> None:
        self.restarts = 0
        self._new: list[Record] = []

    def extend(self, records: Iterable[Record], /) -> None:
        """Add the next records."""
        self._new += records

    def clear(self) -> None:
        """Forget all of them: the log was restarted."""
        self._new.clear()
        self.restarts += 1

    def take(self) -> list[Record]:
        """The new records, once."""
        found, self._new = self._new, []
        return found


class Publisher:
    """Follows one run for one target.

    Args:
        run: the run.
        target: where its numbers go.
        service: the connection; made from `target` by `connect`.
        once: send what is there and end, also where the run continues.
        report: called with sentences for the user.
        sleep: waits; replaced by tests.
    """

    def __init__(
        self,
        run: RunDirectory,
        target: Target,
        service: MetricService,
        *,
        once: bool = False,
        report: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._run = run
        self._service = service
        self._once = once
        self._report = report
        self._sleep = sleep
        self._records = Records()
        self._watcher = RunWatcher(run, records=self._records)
        self._stream = stream_for(service)
        self._file = PositionFile(run, target)
        self._position = self._file.read()
        self._unsent: list[Batch] = []
        self._connected = False
        self._pause, self._failures = FIRST_PAUSE, 0

    def follow(self) -> SentPosition:
        """Send all there is until the run has ended (or once); returns the last position.

        Raises:
            PublishError: with `once`: the service could not be reached in several tries.
            StorageError: the log cannot be read.
        """
        self._replay()
        while True:
            state = self._watcher.poll()
            self._unsent += self._stream.batches(self._records.take())
            sent = self._send(state)
            if sent and (self._once or state.ended):
                if self._finish(state):
                    return self._position
            elif sent:
                self._sleep(POLL_SECONDS)

    def _replay(self) -> None:
        """Read what was sent by an earlier life of this follower.

        Of a service that can take rows back, those of the last step sent are sent again: records that were
        sent and not yet noted have no earlier step, or follow a rewind.
        """
        self._watcher.poll()
        records = self._records.take()
        before = [record for record in records if record.seq <= self._position.seq]
        replayed = self._stream.batches(before)
        if self._service.receives != "durable":
            self._unsent += self._again(replayed)
        if self._service.receives == "rebuilt":
            self._position = replace(self._position, rows=0)  # all of them are counted again
        self._unsent += self._stream.batches(records[len(before) :])

    def _again(self, replayed: list[Batch]) -> list[Batch]:
        """What is sent again of that which was sent."""
        first = 0 if self._service.receives == "rebuilt" else self._position.step
        rows = [row for batch in _surviving(replayed) for row in batch.rows if row.step >= first]
        return [Batch(self._position.seq, self._position.step, rows)] if rows else []

    def _send(self, state: RunState) -> bool:
        """Send what is unsent; whether all is sent. A service that fails is tried again after a pause."""
        try:
            if not self._connected:
                remote = self._service.open(self._run, state, self._position)
                self._connected = True
                self._note(replace(self._position, remote=remote))
            while self._unsent:
                batch = self._unsent[0]
                self._service.send(batch, self._position.rows)
                self._unsent.pop(0)
                rows = self._position.rows + len(batch.rows)
                self._note(SentPosition(batch.seq, batch.step, rows, self._position.remote))
                self._pause, self._failures = FIRST_PAUSE, 0
        except Exception as error:  # noqa: BLE001  whatever a service raises, the run's numbers wait here
            self._failed(error)
            return False
        return True

    def _finish(self, state: RunState) -> bool:
        try:
            if self._once and not state.ended:
                self._service.close()
            else:
                self._service.finish(state)
        except Exception as error:  # noqa: BLE001  as above
            self._failed(error)
            return False
        self._report(
            f"sent to {self._file.target.text()}: {self._position.rows} rows, step {self._position.step}"
        )
        return True

    def _failed(self, error: Exception) -> None:
        service = self._file.target.service
        text, what, steps = " ".join(str(error).split()) or type(error).__name__, "reached", tuple[str, ...]()
        if isinstance(error, OSError) and error.filename and error.errno in SYSTEM_STEPS:
            text, what = f"{error.filename}: {error.strerror}", "written"
            steps = (SYSTEM_STEPS[error.errno],)
        text = safe(text, 300)
        self._failures += 1
        if self._once and self._failures == TRIES:
            raise PublishError(f"{service} could not be {what} in {TRIES} tries", text, next=steps)
        self._report(f"{service}: {text}; next try in {self._pause:.0f} s")
        self._connected = False
        with suppress(Exception):
            self._service.close()
        self._sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _note(self, position: SentPosition) -> None:
        self._position = position
        try:
            self._file.write(position)
        except OSError as error:  # a full disk: after a restart some rows are sent again
            self._report(f"{self._file.path}: {error.strerror or error}")


def _surviving(batches: list[Batch]) -> list[Batch]:
    """Batches without the rows that a later rewind made obsolete."""
    found: list[Batch] = []
    for batch in batches:
        if batch.rewind is not None:
            limit = batch.rewind
            found = [
                Batch(each.seq, each.step, [row for row in each.rows if row.step <= limit]) for each in found
            ]
        found.append(batch)
    return found


def follow(run: RunDirectory, target: Target, *, once: bool = False) -> int:
    """Follow `run` for `target` in this process; returns its exit code.

    Raises:
        PublishError: the target cannot be used, or another follower of this run has it.
        RunsError: the run is not this user's, or was named by a link: how far it was sent is noted in it.
        StorageError: the run cannot be read, or its folder of followers not be written.
    """
    require_package(target)
    require_own(run)
    lock = lock_target(run, target)
    try:
        service = connect(target, run)
        Publisher(run, target, service, once=once, report=_to_stderr).follow()
    finally:
        os.close(lock)
    return 0


def _to_stderr(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"wmse-tui: {text}\n")
        sys.stderr.flush()
