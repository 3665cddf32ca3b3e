"""Requests to the inspector, and which answers are current."""

from __future__ import annotations

from typing import Any, cast

import pytest
from textual.message_pump import MessagePump

from wmse_tui.config.advice import Advice
from wmse_tui.config.loading import load_experiment, parse_experiment
from wmse_tui.tui.inspector import Inspector
from wmse_tui.tui.widgets.configure.inspections import Inspections, progress_text

LISTENER = cast("MessagePump", object())
EXPERIMENT = load_experiment(preset="quickstart")


class FakeInspector:
    """Records the requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, kind: str, config_text: str, listener: MessagePump, **more: Any) -> int:
        assert listener is LISTENER
        self.requests.append((kind, config_text, more))
        return len(self.requests)


@pytest.fixture
def fake() -> FakeInspector:
    return FakeInspector()


def send(inspections: Inspections, fake: FakeInspector, kind: Any = "describe", **more: int) -> None:
    inspections.request(cast("Inspector", fake), kind, EXPERIMENT, LISTENER, **more)


def test_a_request_has_the_whole_configuration(fake: FakeInspector) -> None:
    inspections = Inspections()
    send(inspections, fake, "views", views=3)
    kind, text, more = fake.requests[0]
    assert (kind, more) == ("views", {"views": 3})
    assert parse_experiment(text, "") == EXPERIMENT
    assert inspections["views"].waiting == "waiting for the inspector"
    assert inspections.experiment_of("views") == EXPERIMENT
    assert inspections.experiment_of("measure") is None


def test_only_the_newest_request_is_answered(fake: FakeInspector) -> None:
    inspections = Inspections()
    send(inspections, fake)
    send(inspections, fake)
    assert not inspections.answered(1, "describe", {"old": True})
    assert not inspections.progressed(1, "describe", "old")
    assert inspections.progressed(2, "describe", "loading torch")
    assert inspections["describe"].waiting == "loading torch"
    assert inspections.answered(2, "describe", {"new": True})
    assert inspections["describe"].answer == {"new": True}
    assert inspections["describe"].about == EXPERIMENT
    assert not inspections.answered(2, "describe", {"again": True})


def test_a_failure_does_not_remove_the_last_answer(fake: FakeInspector) -> None:
    inspections = Inspections()
    send(inspections, fake)
    inspections.answered(1, "describe", {"a": 1})
    send(inspections, fake)
    assert not inspections.failed(1, "describe", "too late")
    assert inspections.failed(2, "describe", "no torch")
    found = inspections["describe"]
    assert (found.answer, found.failure, found.waiting) == ({"a": 1}, "no torch", "")
    send(inspections, fake)
    assert inspections["describe"].failure == ""


def test_without_the_inspector_no_answer_is_awaited(fake: FakeInspector) -> None:
    inspections = Inspections()
    send(inspections, fake)
    inspections.forget()
    assert inspections["describe"].waiting == ""
    assert not inspections.answered(1, "describe", {"a": 1})


def test_notices_hold_for_the_configuration_they_are_about(fake: FakeInspector) -> None:
    inspections = Inspections()
    send(inspections, fake, "describe")
    send(inspections, fake, "measure")
    notice = {"path": "compute.device", "level": "warning", "text": "too small"}
    inspections.answered(1, "describe", {"notices": [notice, {"path": "x", "level": "info", "text": "y"}]})
    inspections.answered(2, "measure", {"notices": [notice]})
    assert inspections.notices(EXPERIMENT) == (
        Advice("compute.device", "warning", "too small"),
        Advice("x", "info", "y"),
    )
    assert inspections.notices(load_experiment(preset="stl10")) == ()


def test_progress_in_words() -> None:
    assert progress_text("loading torch", 0, 0, "") == "loading torch"
    assert progress_text("reading", 1_200_000_000, 2_600_000_000, "bytes") == "reading, 1.2 GB of 2.6 GB"
    assert progress_text("steps", 3, 20, "steps") == "steps, 3 of 20 steps"
