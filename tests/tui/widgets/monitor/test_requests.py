"""A request as asked, and as answered."""

from __future__ import annotations

import time

import pytest

from wmse_tui.runs.events import Control
from wmse_tui.runs.view import RunView, State
from wmse_tui.tui.widgets.monitor.requests import Asked, Word, word_on

ASKED = Asked("7", "stop_after_epoch", 1_772_366_400.0)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def view(*controls: Control, state: State = "running") -> RunView:
    return RunView(state=state, controls=controls)


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
def test_a_run_that_ended_before_it_answered_says_so(state: State) -> None:
    assert word_on(ASKED, view(state=state)) == Word(
        "stop after this epoch: asked 12:00:00; the run ended before it answered", "bad"
    )


@pytest.mark.parametrize("state", ["starting", "running", "paused", "stalled", "unknown"])
def test_as_long_as_somebody_may_answer_it_waits(state: State) -> None:
    assert word_on(ASKED, view(state=state)).course == "waiting"
