"""Control requests that this app sent to a run, and what became of each according to the run's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wmse_tui.runs.log.events import Control
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import WITHOUT_TRAINER, Tone
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import clock

COMMAND_NAMES = {
    "stop": "stop",
    "stop_after_epoch": "stop after this epoch",
    "pause": "pause",
    "resume": "continue",
    "checkpoint": "checkpoint",
    "evaluate": "evaluate",
}


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A control request: the id that its answer names, the command, when it was sent, to which attempt."""

    id: str
    command: str
    time: float
    attempt: int


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """A sanitised sentence on a request, and its tone; `info`: the request still waits."""

    text: str
    tone: Tone


def request_statuses(sent: Sequence[SentRequest], run_state: RunState) -> tuple[RequestStatus, ...]:
    """The status of the newest request, and of older ones that still wait, the newest first.

    Over, and left out, are what an earlier attempt obeyed and a pause after which the training continued.
    """
    newest = sent[-1:]
    statuses = (
        (request, request_status(request, run_state))
        for request in reversed(sent)
        if not _is_over(request, run_state)
    )
    return tuple(status for request, status in statuses if request in newest or status.tone == "info")


def _is_over(request: SentRequest, run_state: RunState) -> bool:
    answer = latest_answer(request, run_state)
    if request.command == "pause" and answer is not None and answer.outcome == "accepted":
        later = run_state.controls[run_state.controls.index(answer) + 1 :]
        if any((one.command, one.outcome) == ("resume", "done") for one in later):  # also of others
            return True
    return run_state.attempt > request.attempt and answer is not None and answer.outcome != "refused"


def request_status(request: SentRequest, run_state: RunState) -> RequestStatus:
    """What became of a request so far."""
    name = COMMAND_NAMES.get(request.command, request.command)
    answer = latest_answer(request, run_state)
    if answer is None:
        sent = f"{name}: requested {clock(request.time)}"
        if run_state.status in WITHOUT_TRAINER:
            return RequestStatus(f"{sent}; the run ended before it answered", "bad")
        return RequestStatus(f"{sent}, waiting", "info")
    reason = f": {safe(answer.text, 160)}" if answer.text else ""
    paused = request.command == "pause" and run_state.status == "paused"
    if answer.outcome == "accepted" and (paused or run_state.status in WITHOUT_TRAINER):
        return RequestStatus(f"{name}: accepted, and the run is {run_state.status}", "good")
    if answer.outcome == "accepted" and run_state.status == "paused":
        return RequestStatus(f"{name}: accepted, for when the training continues", "info")
    tones: dict[str, Tone] = {"done": "good", "accepted": "info"}
    return RequestStatus(f"{name}: {answer.outcome}{reason}", tones.get(answer.outcome, "bad"))


def latest_answer(request: SentRequest, run_state: RunState) -> Control | None:
    """The newest answer to a request; None before there is one."""
    return next((control for control in reversed(run_state.controls) if control.id == request.id), None)
