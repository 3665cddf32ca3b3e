"""Questions to the inspector, and which answers are heard."""

from __future__ import annotations

from typing import Any, cast

import pytest
from textual.message_pump import MessagePump

from wmse_tui.config.advice import Advice
from wmse_tui.config.loading import load_experiment, parse_experiment
from wmse_tui.tui.inspector import Inspector
from wmse_tui.tui.widgets.configure.inquiry import Inquiry, progress_text

LISTENER = cast("MessagePump", object())
EXPERIMENT = load_experiment(preset="quickstart")


class Inquired:
    """Takes the inspector's place: notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def ask(self, ask: str, config_text: str, listener: MessagePump, **more: Any) -> int:
        assert listener is LISTENER
        self.asked.append((ask, config_text, more))
        return len(self.asked)


@pytest.fixture
def who() -> Inquired:
    return Inquired()


def ask(inquiry: Inquiry, who: Inquired, kind: Any = "describe", **more: int) -> None:
    inquiry.ask(cast("Inspector", who), kind, EXPERIMENT, LISTENER, **more)


def test_the_whole_configuration_is_asked_about(who: Inquired) -> None:
    inquiry = Inquiry()
    ask(inquiry, who, "views", views=3)
    kind, text, more = who.asked[0]
    assert (kind, more) == ("views", {"views": 3})
    assert parse_experiment(text, "") == EXPERIMENT
    assert inquiry["views"].waiting == "asking"
    assert inquiry.question("views") == EXPERIMENT
    assert inquiry.question("measure") is None


def test_only_the_newest_question_is_answered(who: Inquired) -> None:
    inquiry = Inquiry()
    ask(inquiry, who)
    ask(inquiry, who)
    assert not inquiry.answered(1, "describe", {"old": True})
    assert not inquiry.progressed(1, "describe", "old")
    assert inquiry.progressed(2, "describe", "loading torch")
    assert inquiry["describe"].waiting == "loading torch"
    assert inquiry.answered(2, "describe", {"new": True})
    assert inquiry["describe"].answer == {"new": True}
    assert inquiry["describe"].about == EXPERIMENT
    assert not inquiry.answered(2, "describe", {"again": True})


def test_a_refusal_leaves_the_answer_before_it(who: Inquired) -> None:
    inquiry = Inquiry()
    ask(inquiry, who)
    inquiry.answered(1, "describe", {"a": 1})
    ask(inquiry, who)
    assert not inquiry.failed(1, "describe", "too late")
    assert inquiry.failed(2, "describe", "no torch")
    found = inquiry["describe"]
    assert (found.answer, found.failure, found.waiting) == ({"a": 1}, "no torch", "")
    ask(inquiry, who)
    assert inquiry["describe"].failure == ""


def test_when_the_inspector_rests_nobody_waits(who: Inquired) -> None:
    inquiry = Inquiry()
    ask(inquiry, who)
    inquiry.forget()
    assert inquiry["describe"].waiting == ""
    assert not inquiry.answered(1, "describe", {"a": 1})


def test_notices_hold_for_the_configuration_they_are_about(who: Inquired) -> None:
    inquiry = Inquiry()
    ask(inquiry, who, "describe")
    ask(inquiry, who, "measure")
    notice = {"path": "compute.device", "level": "warning", "text": "too small"}
    inquiry.answered(1, "describe", {"notices": [notice, {"path": "x", "level": "info", "text": "y"}]})
    inquiry.answered(2, "measure", {"notices": [notice]})
    assert inquiry.notices(EXPERIMENT) == (
        Advice("compute.device", "warning", "too small"),
        Advice("x", "info", "y"),
    )
    assert inquiry.notices(load_experiment(preset="stl10")) == ()


def test_progress_in_words() -> None:
    assert progress_text("loading torch", 0, 0, "") == "loading torch"
    assert progress_text("reading", 1_200_000_000, 2_600_000_000, "bytes") == "reading, 1.2 GB of 2.6 GB"
    assert progress_text("steps", 3, 20, "steps") == "steps, 3 of 20 steps"
