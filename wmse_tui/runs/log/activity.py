"""What happened in a run, told line by line from its log, with the times that a picture of it leaves out.

Everything that ever happened is told, also what a later attempt did again. Steps, looks at the embeddings
and the load of the machine are no news; their lines, most of a log, are passed over without being parsed.
"""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import EventError, StorageError
from wmse_tui.runs.log.encoding import decode
from wmse_tui.runs.log.events import (
    Attempt,
    Checkpoint,
    Control,
    Epoch,
    Error,
    Evaluation,
    Exit,
    Notice,
    Phase,
    Record,
)
from wmse_tui.runs.text.messages import (
    control_sentence,
    error_sentence,
    evaluation_sentence,
    exit_sentence,
    notice_sentence,
    phase_sentence,
)
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, duration, moment, number, rate, size

Kind: TypeAlias = Literal["day", "plain", "good", "warning", "error", "asked", "marked"]

LINES = 4000  # kept at most
_BLOCK = 256 * 1024
_LONGEST = 8 * 1024 * 1024
_TOLD_PHASES = ("data", "download", "paused")
_DULL = tuple(f'"type":"{name}"'.encode() for name in ("steps", "diagnostics", "norm_weights", "resources"))
_HEADER = 160  # bytes of a line in which its type stands


@dataclass(frozen=True, slots=True)
class ActivityLine:
    """One line, fit for a terminal; it begins with the time of day, or is the date of those that follow."""

    text: str
    kind: Kind = "plain"


class ActivityLog:
    """Follows the log of `run` and keeps the last lines of its story.

    Attributes:
        behind: the last poll stopped before the end of the log.
    """

    def __init__(self, run: RunDirectory, *, lines: int = LINES) -> None:
        self._path = run.events
        self._kept = lines
        self._seen: tuple[int, int, int] | None = None
        self._told: tuple[ActivityLine, ...] = ()
        self.behind = False
        self._restart()

    def _restart(self) -> None:
        self._offset = 0  # always the start of a line
        self._lines: deque[ActivityLine] = deque(maxlen=self._kept)
        self._count = 0  # lines that were ever told
        self._day = ""
        self._phase = ""
        self._epochs = 0

    def poll(self, *, budget_seconds: float = 0.2) -> tuple[ActivityLine, ...]:
        """The lines so far; the very same tuple as before where there is nothing new.

        At least a block is read, and further ones for so many seconds.

        Raises:
            StorageError: the log is there and cannot be read.
        """
        deadline = time.monotonic() + budget_seconds
        try:
            with self._path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                now = (status.st_dev, status.st_ino, status.st_size)
                if now == self._seen and not self.behind:
                    return self._told
                if self._seen is not None and (now[:2] != self._seen[:2] or now[2] < self._offset):
                    self._restart()
                self._seen = now
                before = self._count
                self.behind = self._read(file.fileno())
                while self.behind and time.monotonic() < deadline:
                    self.behind = self._read(file.fileno())
        except FileNotFoundError:
            self._seen, self._told, self.behind = None, (), False
            self._restart()
            return self._told
        except OSError as error:
            raise StorageError.of("read the run's log", self._path, error) from error
        if self._count != before:
            self._told = tuple(self._lines)
        return self._told

    def _read(self, descriptor: int) -> bool:
        """Tell the next block of lines; whether there was one."""
        content = os.pread(descriptor, _BLOCK, self._offset)
        if len(content) == _BLOCK and b"\n" not in content:
            content = os.pread(descriptor, _LONGEST, self._offset)
        end = content.rfind(b"\n") + 1
        if end == 0:
            self._offset += len(content) if len(content) == _LONGEST else 0  # no line of ours is that long
            return len(content) == _LONGEST
        self._offset += end
        for line in content[: end - 1].split(b"\n"):
            header = line[:_HEADER]
            if not any(dull in header for dull in _DULL):
                self._tell(line)
        return True

    def _tell(self, line: bytes) -> None:
        try:
            record = decode(line)
        except EventError:
            return  # counted by whoever folds the log
        texts = self._texts(record)
        if not texts:
            return
        day, _, time_of_day = moment(record.t).partition(" ")
        if day != self._day:
            self._day = day
            self._lines.append(ActivityLine(day, "day"))
        self._count += 1
        for text, kind in texts:
            self._lines.append(ActivityLine(safe(f"{time_of_day}  {text}", 2000), kind))

    def _texts(self, record: Record) -> list[tuple[str, Kind]]:
        match record.event:
            case Attempt() as event:
                self._epochs = event.epochs
                return [(_attempt_sentence(event, record.attempt), "plain")]
            case Phase() as event:
                return self._phase_texts(event)
            case Epoch() as event:
                of = f"/{self._epochs}" if self._epochs else ""
                speed = rate(event.images_per_second)
                loss = f"loss {number(event.loss)}"
                return [(f"epoch {event.epoch}{of}  {loss}  {speed}  in {duration(event.seconds)}", "plain")]
            case Evaluation() as event:
                return [(evaluation_sentence(event), "good")]
            case Checkpoint() as event:
                kinds = f", {' and '.join(event.kinds)}" if event.kinds else ""
                return [(f"checkpoint  {event.file} ({size(event.bytes)}{kinds})", "plain")]
            case Notice() as event:
                return [(notice_sentence(event), "warning" if event.level == "warning" else "plain")]
            case Control() as event:
                return [(control_sentence(event), "asked")]
            case Error() as event:
                return _error_texts(event)
            case Exit() as event:
                return [(exit_sentence(event), "good" if event.status == "completed" else "warning")]
        return []

    def _phase_texts(self, event: Phase) -> list[tuple[str, Kind]]:
        """A phase is told when it begins, if it is one that takes long, and going on after a pause."""
        before, self._phase = self._phase, event.name
        if event.name == before:
            return []
        if event.name in _TOLD_PHASES:
            return [(phase_sentence(event), "plain")]
        return [("training goes on", "plain")] if before == "paused" else []


def _attempt_sentence(event: Attempt, attempt: int) -> str:
    begin = f"resumed after step {event.resume_step}" if event.resume_step else "training begins"
    what = f"{count(event.epochs, 'epoch')} of {count(event.steps_per_epoch, 'step')}"
    return (
        f"attempt {attempt}  {begin}: {what}, {event.train_images} images, "
        f"{event.parameters / 1e6:.2f} M parameters, on {event.device} ({event.device_reason})"
    )


def _error_texts(event: Error) -> list[tuple[str, Kind]]:
    head = f"error  {error_sentence(event)}" + (f": {event.detail}" if event.detail else "")
    more = [f"       {event.saved}"] if event.saved else []
    return [(text, "error") for text in (head, *more, *(f"       -> {step}" for step in event.next))]
