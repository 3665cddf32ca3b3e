"""The state of a run, reduced from the records of its log and from nothing else.

The same records give the same state in every process, however they arrive. A record that this version
does not know changes nothing but the position reached in the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from wmse_tui.runs.log.events import (
    Artifact,
    Attempt,
    Checkpoint,
    Control,
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
from wmse_tui.runs.state.run import RunState, spent
from wmse_tui.runs.state.throughput import Throughput

MAX_NOTICES = 200
MAX_CONTROLS = 100
MAX_RESOURCES = 120
MAX_DIAGNOSTICS = 4096  # a longer history is thinned: every second one of each space is enough


def fold(state: RunState, records: Iterable[Record]) -> RunState:
    """The state after all of `records`."""
    for together in _grouped(records):
        state = _folded(state, together)
    return state


def _grouped(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Each record by itself, but together those of steps that follow each other and of resources."""
    group: list[Record] = []
    following = 0  # the step that would continue the group; 0 where it has no steps
    for record in records:
        event = record.event
        continues = event.first == following if isinstance(event, Steps) else isinstance(event, Resources)
        if not (following and continues and record.attempt == group[0].attempt):
            if group:
                yield group
            group, following = [], 0
        group.append(record)
        if isinstance(event, Steps):
            following = event.first + len(event.loss)
    if group:
        yield group


def _folded(state: RunState, group: Sequence[Record]) -> RunState:
    """The state after one group of records."""
    first, last = group[0], group[-1]
    if first.attempt > state.attempt:
        state = _next_attempt(state, first)
    changes: dict[str, Any] = {}
    steps = [(record.t, record.event) for record in group if isinstance(record.event, Steps)]
    resources = [record.event for record in group if isinstance(record.event, Resources)]
    if steps:
        changes |= _steps(state, steps)
    if resources:
        changes["resource_rows"] = (*state.resource_rows, *resources)[-MAX_RESOURCES:]
    if not changes:
        changes = _changes(state, first)
    started = first.t if state.started is None else state.started
    return replace(state, seq=last.seq, updated=last.t, started=started, **changes)


def _next_attempt(state: RunState, record: Record) -> RunState:
    """The run is trained again: how the earlier attempt ended no longer matters."""
    return replace(
        state,
        attempt=record.attempt,
        attempt_started=record.t,
        elapsed_before=state.elapsed,
        resource_rows=(),
        phase=None,
        error=None,
        exit=None,
        images_per_second=None,
        pace=Throughput(),
    )


def _changes(state: RunState, record: Record) -> dict[str, Any]:
    """What the event of `record` changes."""
    match record.event:
        case Attempt() as event:
            return _attempt(state, event, record.t)
        case Phase() as event:
            same = state.phase is not None and state.phase.name == event.name
            return {"phase": event} if same else {"phase": event, "pace": state.pace.interrupted()}
        case Epoch() as event:
            rows = state.epoch_rows
            if rows and rows[-1].epoch >= event.epoch:
                rows = tuple(row for row in rows if row.epoch != event.epoch)
            speed = event.images_per_second or state.images_per_second
            return {"epoch_rows": (*rows, event), "epoch": event.epoch, "images_per_second": speed}
        case Evaluation() as event:
            # Several within an epoch count it alike; only that of the same step is the same one done again.
            others = (other for other in state.evaluations if other.step != event.step)
            return {"evaluations": (*others, event), "pace": state.pace.interrupted()}
        case Diagnostics() as event:
            return {"diagnostics": _history(state.diagnostics, event)}
        case NormWeights() as event:
            return {"norm_weights": event}
        case Artifact() as event:
            others_there = (other for other in state.artifacts if other.file != event.file)
            return {"artifacts": (*others_there, event)}
        case Checkpoint() as event:
            others_saved = (other for other in state.checkpoints if other.file != event.file)
            return {"checkpoints": (*others_saved, event)}
        case Notice() as event:
            return {"notices": (*state.notices, event)[-MAX_NOTICES:]}
        case Control() as event:
            return {"controls": (*state.controls, event)[-MAX_CONTROLS:]}
        case Error() as event:
            return {"error": event}
        case Exit() as event:
            return {"exit": event, "phase": None}
        case _:
            return {}


def _steps(state: RunState, events: Sequence[tuple[float, Steps]]) -> dict[str, Any]:
    first = events[0][1].first
    try:
        loss = state.loss.extended(first, [value for _, event in events for value in event.loss])
    except ValueError:  # a step far beyond the last one: damage that is still valid JSON
        return {"unreadable": state.unreadable + len(events)}
    rates: list[float] = []
    speeds: list[float] = []
    clock: list[float] = []
    reports: list[tuple[float, int]] = []
    lr, speed, parts, seconds = (
        state.lr,
        state.images_per_second,
        state.parts,
        state.clock.last or 0.0,
    )
    for t, event in events:
        if not event.loss:
            continue
        step = event.first + len(event.loss) - 1
        seconds = max(seconds, state.elapsed_before + spent(state.attempt_started, t))
        reports.append((t, step))
        clock += (step, seconds)
        if event.lr:
            if event.lr[0] != lr and event.first < step:  # what drops at once is drawn so
                rates += (event.first, event.lr[0])
            lr = event.lr[-1]
            rates += (step, lr)
        if event.images_per_second:
            speed = event.images_per_second
            speeds += (step, speed)
        if event.parts:
            parts = tuple((name, values[-1]) for name, values in event.parts if values) or parts
    return {
        "loss": loss,
        "step": reports[-1][1] if reports else state.step,
        "lr": lr,
        "rates": state.rates.extended(first, rates),
        "speeds": state.speeds.extended(first, speeds),
        "clock": state.clock.extended(first, clock),
        "parts": parts,
        "images_per_second": speed,
        "pace": state.pace.reported(reports),
    }


def _history(history: tuple[Diagnostics, ...], event: Diagnostics) -> tuple[Diagnostics, ...]:
    """With `event` last; the one before in its space loses its spectrum, or is dropped at the same step."""
    index = next((i for i in reversed(range(len(history))) if history[i].space == event.space), None)
    if index is not None:
        before = history[index]
        stays = () if before.step == event.step else (replace(before, spectrum=()),)
        history = (*history[:index], *stays, *history[index + 1 :])
    if len(history) >= MAX_DIAGNOSTICS:
        history = _thinned(history)
    return (*history, event)


def _thinned(history: tuple[Diagnostics, ...]) -> tuple[Diagnostics, ...]:
    """Every second one of each space, the newest among them."""
    seen: Counter[str] = Counter()
    retained = []
    for event in reversed(history[-MAX_DIAGNOSTICS:]):
        if seen[event.space] % 2 == 0:
            retained.append(event)
        seen[event.space] += 1
    return tuple(reversed(retained))


def _attempt(state: RunState, event: Attempt, t: float) -> dict[str, Any]:
    """Training continues after `resume_step`; what an earlier attempt did beyond it is done again."""
    last = event.resume_step
    rows = tuple(row for row in state.epoch_rows if row.step <= last)
    clock = state.clock.truncated(last)
    if not clock or clock.last_step < last:
        clock = clock.extended(last, (last, state.elapsed_before + spent(state.attempt_started, t)))
    return {
        "setup": event,
        "loss": state.loss.truncated(last),
        "step": last,
        "rates": state.rates.truncated(last),
        "speeds": state.speeds.truncated(last),
        "clock": clock,
        "epoch": rows[-1].epoch if rows else last // max(1, event.steps_per_epoch),
        "epoch_rows": rows,
        "evaluations": tuple(e for e in state.evaluations if e.step <= last),
        "diagnostics": tuple(d for d in state.diagnostics if d.step <= last),
        "norm_weights": state.norm_weights
        if state.norm_weights and state.norm_weights.step <= last
        else None,
        "checkpoints": tuple(c for c in state.checkpoints if c.step <= last),
        "error": None,
        "exit": None,
        "pace": Throughput(),
    }
