"""The activity log: what happened in a run, as dated lines for a person.

Every attempt is shown, also where a later one repeated its steps. Steps, diagnostics and resources, most of a
log, are left out.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from wmse_tui.runs.log.events import (
    Attempt,
    Checkpoint,
    Control,
    Damaged,
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
    damaged_sentence,
    error_sentence,
    evaluation_sentence,
    exit_sentence,
    notice_sentence,
    phase_sentence,
)
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, duration, moment, number, rate, size

Kind: TypeAlias = Literal["day", "plain", "good", "warning", "error", "control", "marked"]
Texts: TypeAlias = Callable[[], list[tuple[str, Kind]]]

LINES = 4000
_SHOWN_PHASES = ("data", "download", "paused")
_LONGEST = 2000  # characters


@dataclass(frozen=True, slots=True)
class ActivityLine:
    """One sanitised line; it begins with the time of day, or is the date of the lines after it."""

    text: str
    kind: Kind = "plain"


class ActivityLog:
    """The last lines on a run, made from the records that a RunWatcher passes on; safe to share by threads.

    Texts are made on demand: a log that is not displayed costs next to nothing.

    Args:
        lines: stored at most.
    """

    def __init__(self, *, lines: int = LINES) -> None:
        self._limit = lines
        self._guard = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything: the log was restarted."""
        with self._guard:
            self._pending: deque[tuple[float, Texts]] = deque(maxlen=self._limit)
            self._lines: deque[ActivityLine] = deque(maxlen=self._limit)
            self._made: tuple[ActivityLine, ...] = ()
            self._day = ""
            self._phase = ""
            self._epochs = 0

    def extend(self, records: Iterable[Record]) -> None:
        """Add the next records of the log."""
        with self._guard:
            for record in records:
                texts = self._texts(record)
                if texts is not None:
                    self._pending.append((record.t, texts))

    def lines(self) -> tuple[ActivityLine, ...]:
        """The lines so far; the identical tuple where nothing is new."""
        with self._guard:
            if self._pending:
                while self._pending:
                    self._append(*self._pending.popleft())
                self._made = tuple(self._lines)
            return self._made

    def _append(self, t: float, texts: Texts) -> None:
        day, _, time_of_day = moment(t).partition(" ")
        if day != self._day:
            self._day = day
            self._lines.append(ActivityLine(day, "day"))
        for text, kind in texts():
            self._lines.append(ActivityLine(safe(f"{time_of_day}  {text}", _LONGEST), kind))

    def _texts(self, record: Record) -> Texts | None:
        """The function that makes the lines of a record; None where it has none."""
        match record.event:
            case Attempt() as event:
                self._epochs = event.epochs
                return _line("plain", _attempt_sentence, event, record.attempt)
            case Phase() as event:
                before, self._phase = self._phase, event.name
                if event.name != before and event.name in _SHOWN_PHASES:
                    return _line("plain", phase_sentence, event)
                return _line("plain", str, "training continues") if event.name != before == "paused" else None
            case Epoch() as event:
                return _line("plain", _epoch_sentence, event, self._epochs)
            case Evaluation() as event:
                return _line("good", evaluation_sentence, event)
            case Checkpoint() as event:
                return _line("plain", _checkpoint_sentence, event)
            case Notice() as event:
                return _line("warning" if event.level == "warning" else "plain", notice_sentence, event)
            case Damaged() as event:
                return _line("warning", damaged_sentence, event)
            case Control() as event:
                return _line("control", control_sentence, event)
            case Error() as event:
                return partial(_error_texts, event)
            case Exit() as event:
                return _line("good" if event.status == "completed" else "warning", exit_sentence, event)
        return None


def _line(kind: Kind, sentence: Callable[..., str], *arguments: object) -> Texts:
    return lambda: [(sentence(*arguments), kind)]


def _attempt_sentence(event: Attempt, attempt: int) -> str:
    begin = f"resumed after step {event.resume_step}" if event.resume_step else "training begins"
    what = f"{count(event.epochs, 'epoch')} of {count(event.steps_per_epoch, 'step')}"
    return (
        f"attempt {attempt}  {begin}: {what}, {event.train_images} images, "
        f"{event.parameters / 1e6:.2f} M parameters, on {event.device} ({event.device_reason})"
    )


def _epoch_sentence(event: Epoch, epochs: int) -> str:
    epoch = f"{event.epoch:>{len(str(epochs))}}/{epochs}" if epochs else f"{event.epoch}"
    loss, speed = f"loss {number(event.loss):<6}", f"{rate(event.images_per_second):>13}"  # in columns
    return f"epoch {epoch}  {loss}  {speed}  in {duration(event.seconds)}"


def _checkpoint_sentence(event: Checkpoint) -> str:
    kinds = f", {' and '.join(event.kinds)}" if event.kinds else ""
    return f"checkpoint  {event.file} ({size(event.bytes)}{kinds})"


def _error_texts(event: Error) -> list[tuple[str, Kind]]:
    head = f"error  {error_sentence(event)}" + (f": {event.detail}" if event.detail else "")
    more = [f"       saved: {event.saved}"] if event.saved else []
    return [(text, "error") for text in (head, *more, *(f"       -> {step}" for step in event.next))]
