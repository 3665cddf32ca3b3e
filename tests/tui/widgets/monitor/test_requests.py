"""A request as asked, and as answered."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from wmse_tui.runs.log.events import Control
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status
from wmse_tui.tui.widgets.monitor.requests import Asked, Word, word_on, words_on

ASKED = Asked("7", "stop_after_epoch", 1_772_366_400.0, attempt=1)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def view(*controls: Control, state: Status = "running") -> RunState:
    return RunState(status=state, controls=controls, attempt=1)


def test_nobody_has_answered_yet() -> None:
    other = Control("6", "stop_after_epoch", "done")
    assert word_on(ASKED, view(other)) == Word("stop after this epoch: asked 12:00:00, waiting", "waiting")


def test_it_was_accepted_and_then_done() -> None:
    accepted = Control("7", "stop_after_epoch", "accepted", "leaving after this epoch")
    assert word_on(ASKED, view(accepted)) == Word(
        "stop after this epoch: accepted: leaving after this epoch", "waiting"
    )
    done = Control("7", "stop_after_epoch", "done", "step 10")
    assert word_on(ASKED, view(accepted, done)) == Word("stop after this epoch: done: step 10", "good")


def test_it_was_accepted_and_the_run_has_stopped() -> None:
    accepted = Control("7", "stop_after_epoch", "accepted", "leaving after this epoch")
    assert word_on(ASKED, view(accepted, state="stopped")) == Word(
        "stop after this epoch: accepted, and the run is stopped", "good"
    )


def test_it_was_refused_with_a_reason_that_is_harmless() -> None:
    refused = Control("7", "stop_after_epoch", "refused", "no \x1b[2J room")
    assert word_on(ASKED, view(refused)) == Word("stop after this epoch: refused: no \\x1b[2J room", "bad")


@pytest.mark.parametrize("state", ["completed", "stopped", "failed", "diverged", "crashed"])
def test_a_run_that_ended_before_it_answered_says_so(state: Status) -> None:
    assert word_on(ASKED, view(state=state)) == Word(
        "stop after this epoch: asked 12:00:00; the run ended before it answered", "bad"
    )


@pytest.mark.parametrize("state", ["starting", "running", "paused", "stalled", "unknown"])
def test_as_long_as_somebody_may_answer_it_waits(state: Status) -> None:
    assert word_on(ASKED, view(state=state)).course == "waiting"


def test_a_pause_has_come_true_once_the_run_is_paused() -> None:
    asked = Asked("8", "pause", 1_772_366_400.0, attempt=1)
    accepted = Control("8", "pause", "accepted", "pausing at the next step")
    assert word_on(asked, view(accepted)).course == "waiting"
    assert word_on(asked, view(accepted, state="paused")) == Word(
        "pause: accepted, and the run is paused", "good"
    )


def test_of_several_requests_the_newest_is_told_first() -> None:
    other = Asked("8", "evaluate", 1_772_366_460.0, attempt=1)
    assert [word.text for word in words_on((ASKED, other), view())] == [
        "evaluate: asked 12:01:00, waiting",
        "stop after this epoch: asked 12:00:00, waiting",
    ]


def test_what_an_earlier_attempt_obeyed_is_told_no_more_but_what_nobody_did_is() -> None:
    later = RunState(status="running", attempt=2)
    answers = {
        outcome: Control("7", "stop_after_epoch", outcome) for outcome in ("accepted", "done", "refused")
    }
    for outcome in ("accepted", "done"):
        assert words_on((ASKED,), replace(later, controls=(answers[outcome],))) == ()
    assert words_on((ASKED,), replace(later, controls=(answers["refused"],)))[0].course == "bad"
    assert words_on((ASKED,), later)[0].course == "waiting"
