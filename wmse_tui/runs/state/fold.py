"""The state of a run, reduced from the records of its log and from nothing else.

The same records give the same state in every process, however they arrive. A record that this version
does not know changes nothing but the position reached in the log.

A record costs the same after ten million steps as after ten: what is by step or by event is stored in
chunks that successive states share (`Series`, `SparseSeries`, `History`), and a state is made once for all
records that are folded together (`_Draft`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from wmse_tui.runs.log.events import (
    Artifact,
    Attempt,
    Checkpoint,
    Control,
    Damaged,
    DamagedFile,
    Diagnostics,
    Epoch,
    Error,
    Evaluation,
    Exit,
    NormWeights,
    Notice,
    Phase,
    Record,
    Resources,
    Steps,
)
from wmse_tui.runs.state.history import History
from wmse_tui.runs.state.run import RunState, spent
from wmse_tui.runs.state.thinning import least_needed
from wmse_tui.runs.state.throughput import Throughput

MAX_NOTICES = 200
MAX_CONTROLS = 100
MAX_RESOURCES = 120
MAX_DIAGNOSTICS = 4096  # a longer history is thinned: every second one of each space is enough


def fold(state: RunState, records: Iterable[Record]) -> RunState:
    """The state after all of `records`; `state` itself where there is none."""
    draft = None
    for record in records:
        if draft is None:
            draft = _Draft(state)
        draft.add(record)
    return state if draft is None else draft.state(state)


class _Draft:
    """The fields of a state that records change, while they are being changed."""

    def __init__(self, state: RunState) -> None:
        self.seq = state.seq
        self.attempt = state.attempt
        self.started = state.started
        self.attempt_started = state.attempt_started
        self.updated = state.updated
        self.setup = state.setup
        self.phase = state.phase
        self.step = state.step
        self.epoch = state.epoch
        self.loss = state.loss
        self.lr = state.lr
        self.parts = state.parts
        self.images_per_second = state.images_per_second
        self.pace = state.pace
        self.rates = state.rates
        self.speeds = state.speeds
        self.clock = state.clock
        self.elapsed_before = state.elapsed_before
        self.epoch_rows = History.of(state.epoch_rows)
        self.evaluations = History.of(state.evaluations)
        self.diagnostics = History.of(state.diagnostics)
        self.norm_weights = state.norm_weights
        self.resource_rows = state.resource_rows
        self.artifacts = History.of(state.artifacts)
        self.checkpoints = History.of(state.checkpoints)
        self.notices = state.notices
        self.damaged = state.damaged
        self.damaged_files = state.damaged_files
        self.controls = state.controls
        self.error = state.error
        self.exit = state.exit
        self.unreadable = state.unreadable
        # Consecutive steps that are not in the series yet, and when each report of them came.
        self._first = self._following = state.loss.last_step + 1
        self._losses: list[float | None] = []
        self._rates: list[float] = []
        self._speeds: list[float] = []
        self._clock: list[float] = []
        self._reports: list[tuple[float, int]] = []
        self._seconds = state.clock.last or 0.0

    def state(self, before: RunState) -> RunState:
        """The state as drafted; what no record changes is that of `before`."""
        self._settle()
        values = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return replace(before, **values)

    def add(self, record: Record) -> None:
        """Change what the event of `record` changes."""
        if record.attempt > self.attempt:
            self._begin_attempt(record)
        match record.event:
            case Steps() as event:
                self._add_steps(event, record.t)
            case Resources() as event:
                self.resource_rows = _with_reading(self.resource_rows, event)
            case Phase() as event:
                if self.phase is None or self.phase.name != event.name:
                    self._interrupt()
                self.phase = event
            case Epoch() as event:
                self.epoch_rows = self.epoch_rows.superseding(event, _epoch_of)
                self.epoch = event.epoch
                self.images_per_second = event.images_per_second or self.images_per_second
            case Evaluation() as event:
                # Several within an epoch count it alike; one of the same step is the same one done again.
                self.evaluations = self.evaluations.superseding(event, _step_of)
                self._interrupt()
            case Diagnostics() as event:
                self.diagnostics = _with_sample(self.diagnostics, event)
            case NormWeights() as event:
                self.norm_weights = event
            case Artifact() as event:
                self.artifacts = self.artifacts.superseding(event, _file_of)
            case Checkpoint() as event:
                self.checkpoints = self.checkpoints.superseding(event, _file_of)
            case Notice() as event:
                self.notices = (*self.notices, event)[-MAX_NOTICES:]
            case Damaged() as event:
                self.damaged = event
                self._add_damaged(event.files)
            case Control() as event:
                self.controls = (*self.controls, event)[-MAX_CONTROLS:]
            case Error() as event:
                self.error = event
                self._add_damaged(map(DamagedFile, event.files))
            case Exit() as event:
                self.exit, self.phase = event, None
            case Attempt() as event:
                self._resume(event, record.t)
        self.seq, self.updated = record.seq, record.t
        if self.started is None:
            self.started = record.t

    def _begin_attempt(self, record: Record) -> None:
        """The run is trained again: how the earlier attempt ended no longer matters."""
        self.elapsed_before += spent(self.attempt_started, self.updated)
        self.attempt, self.attempt_started = record.attempt, record.t
        self.resource_rows = ()
        self.damaged = None
        self.phase = self.error = self.exit = self.images_per_second = None
        self._restart_pace()

    def _add_damaged(self, files: Iterable[DamagedFile]) -> None:
        """Each file of the run once, with its latest reason."""
        self.damaged_files = tuple({file.name: file for file in (*self.damaged_files, *files)}.values())

    def _add_steps(self, event: Steps, t: float) -> None:
        if event.first != self._following:
            self._settle()
            if not self.loss.can_continue(event.first):  # damage that is still valid JSON
                self.unreadable += 1
                return
            self._first = self._following = event.first
        if not event.loss:
            return
        step = event.first + len(event.loss) - 1
        self._losses += event.loss
        self._seconds = max(self._seconds, self.elapsed_before + spent(self.attempt_started, t))
        self._clock += (step, self._seconds)
        self._reports.append((t, step))
        if event.lr:
            if event.lr[0] != self.lr and event.first < step:  # what drops at once is drawn so
                self._rates += (event.first, event.lr[0])
            self.lr = event.lr[-1]
            self._rates += (step, self.lr)
        if event.images_per_second:
            self.images_per_second = event.images_per_second
            self._speeds += (step, event.images_per_second)
        if event.parts:
            self.parts = tuple((name, values[-1]) for name, values in event.parts if values) or self.parts
        self.step, self._following = step, step + 1

    def _settle(self) -> None:
        """Let the series have the steps that were added."""
        if self._losses:
            first = self._first
            self.loss = self.loss.extended(first, self._losses)
            self.rates = self.rates.extended(first, self._rates)
            self.speeds = self.speeds.extended(first, self._speeds)
            self.clock = self.clock.extended(first, self._clock)
            for pending in (self._losses, self._rates, self._speeds, self._clock):
                pending.clear()
        self._first = self._following
        self._settle_pace()

    def _settle_pace(self) -> None:
        if self._reports:
            self.pace = self.pace.reported(self._reports)
            self._reports.clear()

    def _interrupt(self) -> None:
        self._settle_pace()
        self.pace = self.pace.interrupted()

    def _restart_pace(self) -> None:
        self._reports.clear()
        self.pace = Throughput()

    def _resume(self, event: Attempt, t: float) -> None:
        """Training continues after `resume_step`; what an earlier attempt did beyond it is done again."""
        self._settle()
        last = event.resume_step
        self.setup, self.step = event, last
        self.loss = self.loss.truncated(last)
        self.rates = self.rates.truncated(last)
        self.speeds = self.speeds.truncated(last)
        self.clock = self.clock.truncated(last)
        if not self.clock or self.clock.last_step < last:
            seconds = self.elapsed_before + spent(self.attempt_started, t)
            self.clock = self.clock.extended(last, (last, seconds))
        self._first = self._following = self.loss.last_step + 1
        self._seconds = self.clock.last or 0.0
        self.epoch_rows = self.epoch_rows.where(lambda row: row.step <= last)
        rows = self.epoch_rows
        self.epoch = rows[-1].epoch if rows else last // max(1, event.steps_per_epoch)
        self.evaluations = self.evaluations.where(lambda one: one.step <= last)
        self.diagnostics = self.diagnostics.where(lambda sample: sample.step <= last)
        self.checkpoints = self.checkpoints.where(lambda saved: saved.step <= last)
        if self.norm_weights is not None and self.norm_weights.step > last:
            self.norm_weights = None
        self.error = self.exit = None
        self._restart_pace()


def _epoch_of(row: Epoch) -> int:
    return row.epoch


def _step_of(one: Evaluation) -> int:
    return one.step


def _file_of(event: Artifact | Checkpoint) -> str:
    return event.file


def _with_sample(history: History[Diagnostics], event: Diagnostics) -> History[Diagnostics]:
    """With `event` last; the one before in its space loses its spectrum, or is dropped at the same step."""
    index = history.last_index(lambda sample: sample.space == event.space)
    if index is not None:
        before = history[index]
        if before.step == event.step:
            history = history.without(index)
        elif before.spectrum:
            history = history.replaced(index, replace(before, spectrum=()))
    if len(history) >= MAX_DIAGNOSTICS:
        history = _thinned(history)
    return history.appended(event)


def _with_reading(rows: tuple[Resources, ...], event: Resources) -> tuple[Resources, ...]:
    """With `event` last; of too many readings the least needed one is dropped."""
    if len(rows) < MAX_RESOURCES:
        return (*rows, event)
    every = (*rows, event)
    drop = least_needed([row.step for row in every])
    return (*every[:drop], *every[drop + 1 :])


def _thinned(history: History[Diagnostics]) -> History[Diagnostics]:
    """Every second one of each space, the newest among them."""
    seen: Counter[str] = Counter()
    retained = []
    for event in reversed(history[-MAX_DIAGNOSTICS:]):
        if seen[event.space] % 2 == 0:
            retained.append(event)
        seen[event.space] += 1
    return History.of(reversed(retained))
