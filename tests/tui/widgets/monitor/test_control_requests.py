"""A control request as sent, and as answered."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from wmse_tui.runs.log.events import Control
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status
from wmse_tui.tui.widgets.monitor.control_requests import (
    COMMAND_NAMES,
    RequestStatus,
    SentRequest,
    request_status,
    request_statuses,
)

SENT = SentRequest("7", "stop_after_epoch", 1_772_366_400.0, attempt=1)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def run_state(*controls: Control, status: Status = "running") -> RunState:
    return RunState(status=status, controls=controls, attempt=1)


def test_without_an_answer_it_waits() -> None:
    other = Control("6", "stop_after_epoch", "done")
    assert request_status(SENT, run_state(other)) == RequestStatus(
        "stop after this epoch: requested 12:00:00, waiting", "info"
    )


def test_it_was_accepted_and_then_done() -> None:
    accepted = Control("7", "stop_after_epoch", "accepted", "exiting after this epoch")
    assert request_status(SENT, run_state(accepted)) == RequestStatus(
        "stop after this epoch: accepted: exiting after this epoch", "info"
    )
    done = Control("7", "stop_after_epoch", "done", "step 10")
    assert request_status(SENT, run_state(accepted, done)) == RequestStatus(
        "stop after this epoch: done: step 10", "good"
    )


def test_it_was_accepted_and_the_run_has_stopped() -> None:
    accepted = Control("7", "stop_after_epoch", "accepted", "exiting after this epoch")
    assert request_status(SENT, run_state(accepted, status="stopped")) == RequestStatus(
        "stop after this epoch: accepted, and the run is stopped", "good"
    )


def test_it_was_refused_with_a_reason_that_is_harmless() -> None:
    refused = Control("7", "stop_after_epoch", "refused", "no \x1b[2J space")
    assert request_status(SENT, run_state(refused)) == RequestStatus(
        "stop after this epoch: refused: no \\x1b[2J space", "bad"
    )


@pytest.mark.parametrize("status", ["completed", "stopped", "failed", "diverged", "crashed"])
def test_a_run_may_end_before_it_answers(status: Status) -> None:
    assert request_status(SENT, run_state(status=status)) == RequestStatus(
        "stop after this epoch: requested 12:00:00; the run ended before it answered", "bad"
    )


@pytest.mark.parametrize("status", ["starting", "running", "paused", "stalled", "unknown"])
def test_while_a_trainer_may_answer_it_waits(status: Status) -> None:
    assert request_status(SENT, run_state(status=status)).tone == "info"


def test_a_pause_succeeds_once_the_run_is_paused() -> None:
    sent = SentRequest("8", "pause", 1_772_366_400.0, attempt=1)
    accepted = Control("8", "pause", "accepted", "pausing at the next step")
    assert request_status(sent, run_state(accepted)).tone == "info"
    assert request_status(sent, run_state(accepted, status="paused")) == RequestStatus(
        "pause: accepted, and the run is paused", "good"
    )


def test_of_several_requests_the_newest_is_first() -> None:
    other = SentRequest("8", "evaluate", 1_772_366_460.0, attempt=1)
    assert [one.text for one in request_statuses((SENT, other), run_state())] == [
        "evaluate: requested 12:01:00, waiting",
        "stop after this epoch: requested 12:00:00, waiting",
    ]


def test_a_pause_after_which_the_training_continued_is_no_longer_shown() -> None:
    pause = SentRequest("8", "pause", 1_772_366_400.0, attempt=1)
    resume = SentRequest("9", "resume", 1_772_366_460.0, attempt=1)
    accepted = Control("8", "pause", "accepted", "pausing at the next step")
    continued = Control("9", "resume", "done", "training continues")
    texts = [one.text for one in request_statuses((pause, resume), run_state(accepted, continued))]
    assert texts == ["continue: done: training continues"]
    assert len(request_statuses((pause, resume), run_state(accepted))) == 2
    assert request_statuses((pause,), run_state(accepted, continued)) == (), "continued by another user"
    again = request_statuses((resume, pause), run_state(continued, accepted))
    assert [one.text for one in again] == ["pause: accepted: pausing at the next step"]


def test_an_older_request_is_shown_while_it_waits() -> None:
    """Of every command: the newest is shown with its answer, an older one until it has had its effect."""
    newest = SentRequest("9", "checkpoint", SENT.time, attempt=1)
    saved = Control("9", "checkpoint", "done", "step-00000001.pt")
    for command in COMMAND_NAMES:
        older = SentRequest("8", command, SENT.time, attempt=1)
        accepted, done = (Control("8", command, outcome, "as asked") for outcome in ("accepted", "done"))
        name = COMMAND_NAMES[command]
        for controls, shown in (
            ((), [f"{name}: requested 12:00:00, waiting"]),
            ((accepted,), [f"{name}: accepted: as asked"]),
            ((accepted, done), []),
            ((Control("8", command, "refused", "no"),), []),
        ):
            found = request_statuses((older, newest), run_state(*controls, saved))
            assert [one.text for one in found] == ["checkpoint: done: step-00000001.pt", *shown]
    pause = SentRequest("8", "pause", SENT.time, attempt=1)
    accepted = Control("8", "pause", "accepted", "pausing at the next step")
    found = request_statuses((pause, newest), run_state(accepted, saved, status="paused"))
    assert len(found) == 1, "it has paused, as the header shows"


def test_a_request_that_an_earlier_attempt_obeyed_is_no_longer_shown() -> None:
    later = RunState(status="running", attempt=2)
    answers = {
        outcome: Control("7", "stop_after_epoch", outcome) for outcome in ("accepted", "done", "refused")
    }
    for outcome in ("accepted", "done"):
        assert request_statuses((SENT,), replace(later, controls=(answers[outcome],))) == ()
    assert request_statuses((SENT,), replace(later, controls=(answers["refused"],)))[0].tone == "bad"
    assert request_statuses((SENT,), later)[0].tone == "info"


@pytest.mark.parametrize("command", ["checkpoint", "evaluate", "stop_after_epoch"])
def test_what_a_paused_run_accepts_is_for_later(command: str) -> None:
    accepted = Control("7", command, "accepted", "saving at the next step")
    sent = SentRequest("7", command, SENT.time, attempt=1)
    found = request_status(sent, run_state(accepted, status="paused"))
    assert found.text.endswith("accepted, for when the training continues")
