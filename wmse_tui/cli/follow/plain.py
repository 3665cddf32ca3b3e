"""A followed run as plain dated lines: for files, pipes and schedulers' logs.

An epoch gets a line when five seconds of the log's own time (a minute, in a run of hours) have passed since
the last one, a long epoch one a minute; evaluations, notices and the end always get one.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable

from wmse_tui.runs.log.events import (
    Attempt,
    Control,
    Damaged,
    Epoch,
    Error,
    Evaluation,
    Event,
    Exit,
    Notice,
    Phase,
    Record,
    Steps,
)
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.messages import (
    control_sentence,
    damaged_sentence,
    error_sentence,
    evaluation_sentence,
    exit_sentence,
    notice_sentence,
    phase_sentence,
    progress_sentence,
)
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, moment

EPOCH_SECONDS = 5.0
LONG_SECONDS = 60.0
PHASE_SECONDS = 10.0
MOST_LINES = 40
"""Lines printed at once; of more that are new since the last poll, only the newest are printed."""


class PlainLines:
    """Turns records into lines, no more often than the log's own time allows."""

    def __init__(self) -> None:
        self._progress_at = float("-inf")
        self._phase_at = float("-inf")
        self._phase = ""

    def lines(self, record: Record, state: RunState) -> list[str]:
        """Return the lines for `record`, each with its date, sanitised.

        Args:
            record: the next record of the log.
            state: the state after this record or a few later ones.
        """
        texts = self._texts(record.event, record.t, state)
        return [safe(f"{moment(record.t)}  {line}") for text in texts for line in text.splitlines()]

    def _texts(self, event: Event, t: float, state: RunState) -> list[str]:
        match event:
            case Phase():
                return self._phase_texts(event, t)
            case Attempt():
                self._progress_at = t
                return _attempt_texts(event)
            case Steps() if t - self._progress_at >= LONG_SECONDS:
                self._progress_at = t
                return [_steps_text(event, t, state)]
            case Epoch() if t - self._progress_at >= _epoch_interval(t, state) or event.epoch == state.epochs:
                self._progress_at = t
                return [_epoch_text(event, t, state)]
            case Evaluation():
                return [evaluation_sentence(event)]
            case Notice():
                return [notice_sentence(event)]
            case Damaged():
                return [damaged_sentence(event)]
            case Control():
                return [control_sentence(event)]
            case Error():
                return [f"error  {error_sentence(event)}"]
            case Exit():
                return [exit_sentence(event)]
        return []

    def _phase_texts(self, event: Phase, t: float) -> list[str]:
        """A phase gets a line every ten seconds; one that usually takes long also gets one when it begins."""
        if event.name != self._phase:
            self._phase, self._phase_at = event.name, t
            return [phase_sentence(event)] if event.name in ("data", "download", "paused") else []
        if event.done is None:  # repeated, without a number that has grown
            return []
        finished = event.done == event.total
        if t - self._phase_at < PHASE_SECONDS and not (finished and event.name == "download"):
            return []
        self._phase_at = t
        return [phase_sentence(event)]


class PlainDisplay:
    """Writes the plain lines to stdout."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._lines = PlainLines()
        self._write = write if write is not None else _to_stdout
        self._newest: deque[str] = deque(maxlen=MOST_LINES)  # not printed yet
        self._new = 0  # lines since the last were printed

    def show(self, state: RunState, records: tuple[Record, ...], *, more: bool = False) -> None:
        """Print the lines of the new records, once no more follow."""
        for record in records:
            lines = self._lines.lines(record, state)
            self._newest.extend(lines)
            self._new += len(lines)
        if more:
            return
        if self._new > MOST_LINES:
            self._write(f"({count(self._new - MOST_LINES, 'earlier line')} left out)")
        for line in self._newest:
            self._write(line)
        self._newest.clear()
        self._new = 0

    def message(self, text: str) -> None:
        """Print on stderr; the lines on stdout are of the run alone."""
        from wmse_tui.cli.console import print_message

        print_message(text)

    def close(self) -> None:
        """There is nothing to close."""


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _epoch_interval(t: float, state: RunState) -> float:
    """Return the seconds between lines about epochs: a hundredth of the time so far, five to sixty."""
    elapsed = t - (state.attempt_started if state.attempt_started is not None else t)
    return max(EPOCH_SECONDS, min(LONG_SECONDS, elapsed / 100))


def _attempt_texts(event: Attempt) -> list[str]:
    start = f"resumed after step {event.resume_step}" if event.resume_step else "training"
    length = f"{count(event.epochs, 'epoch')} of {count(event.steps_per_epoch, 'step')}"
    resumption = "exact resumption" if event.exact else "approximate resumption"
    loader = f"loader {event.loader} ({event.loader_reason})"
    return [
        f"device  {event.device} ({event.device_reason})",
        f"data  {event.train_images} images ({event.train_split}), {loader}",
        f"{start}  {length}, {event.parameters / 1e6:.2f} M parameters, {resumption}",
    ]


def _steps_text(event: Steps, t: float, state: RunState) -> str:
    step = event.first + len(event.loss) - 1
    return progress_sentence(
        epoch=(step - 1) // state.steps_per_epoch + 1 if state.steps_per_epoch else state.epoch + 1,
        epochs=state.epochs,
        step=step,
        total_steps=state.total_steps,
        loss=event.loss[-1] if event.loss else None,
        lr=event.lr[-1] if event.lr else None,
        images_per_second=event.images_per_second,
        seconds_left=_seconds_left(t, state),
    )


def _epoch_text(event: Epoch, t: float, state: RunState) -> str:
    return progress_sentence(
        epoch=event.epoch,
        epochs=state.epochs,
        step=event.step,
        total_steps=state.total_steps,
        loss=event.loss,
        lr=state.rates.at(event.step),  # not `state.lr`: a replayed log is folded to its end already
        images_per_second=event.images_per_second,
        seconds_left=_seconds_left(t, state) if event.epoch != state.epochs else None,
    )


def _seconds_left(t: float, state: RunState) -> float | None:
    """Return the estimate, which is of the newest record; None for a record that is older."""
    return state.seconds_left if state.updated is None or state.updated - t < EPOCH_SECONDS else None
