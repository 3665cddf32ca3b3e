"""Why a chart is empty."""

from __future__ import annotations

from dataclasses import replace

import pytest
from events import attempt, diagnostics, evaluation

from wmse_tui.runs.log.events import Event, Record, Resources
from wmse_tui.runs.state.absent_values import why_empty
from wmse_tui.runs.state.curves import QUANTITIES
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState

EVENTS: tuple[Event, ...] = (
    attempt(),
    evaluation(0, 0, knn=0.1),
    diagnostics(4, "projector", epoch=1, smallest_pivot=None),
    Resources(step=4),
)
TRAINING = replace(
    fold(RunState(), [Record(1, number, 0.0, 1, event) for number, event in enumerate(EVENTS, 1)]),
    status="running",
)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_whatever_has_no_value_has_a_reason(quantity: str) -> None:
    assert why_empty([RunState()], [quantity]) == "the training has not begun"
    assert why_empty([RunState(status="failed")], [quantity]) == "the run has ended before its training"
    without_setup = replace(TRAINING, setup=None)  # its record cannot be read
    assert "training" not in why_empty([without_setup], [quantity]), "it has begun"
    assert why_empty([RunState(), TRAINING], [quantity]) in (
        "none of these runs has a value of this",
        "no value in this part of the run",
    )


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        ("gpu_power", "no GPU is used"),
        (
            "linear",
            "measured at the end of the run (evaluation.linear_at), or not at all (evaluation.linear)",
        ),
        ("smallest_pivot", "the loss has no factorisation"),
        ("lidar", "evaluation.lidar_images is 0"),
        ("images_per_second", "no values yet"),
        ("knn", "no value in this part of the run"),
    ],
)
def test_the_reason_is_that_of_the_run(quantity: str, reason: str) -> None:
    assert why_empty([TRAINING, TRAINING], [quantity]) == reason
