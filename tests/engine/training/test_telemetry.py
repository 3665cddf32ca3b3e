"""Losses on their way to the log: all of them, in few events, and a non-finite one stops the run."""

from __future__ import annotations

import pytest
import torch

from wmse_tui.engine.training.telemetry import NonFiniteLoss, Telemetry
from wmse_tui.runs.log.events import Steps


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def feed(telemetry: Telemetry, step: int, loss: float) -> None:
    telemetry.step(step, torch.tensor(loss), {"half": torch.tensor(loss / 2)}, lr=0.1)


def test_fast_steps_make_one_event_a_second_and_no_loss_is_missing() -> None:
    clock, events = Clock(), list[Steps]()
    telemetry = Telemetry(events.append, images_per_step=4, clock=clock)
    for step in range(1, 301):
        clock.now += 0.01
        feed(telemetry, step, step / 8)
    telemetry.flush()
    assert [event.first for event in events][:2] == [1, 101]
    assert len(events) <= 4
    losses = [loss for event in events for loss in event.loss]
    assert losses == [step / 8 for step in range(1, 301)]
    assert [x for event in events for x in dict(event.parts)["half"]] == [
        x / 2 for x in losses if x is not None
    ]
    assert events[0].images_per_second == pytest.approx(400)


def test_the_epoch_mean_is_over_every_step_since_the_epoch_began() -> None:
    telemetry = Telemetry(lambda event: None, images_per_step=4)
    assert telemetry.epoch_mean() is None
    for step, loss in enumerate([1.0, 2.0, 6.0], start=1):
        feed(telemetry, step, loss)
    telemetry.flush()
    assert telemetry.epoch_mean() == 3.0
    feed(telemetry, 4, 100.0)
    telemetry.start_epoch(5)
    feed(telemetry, 5, 8.0)
    telemetry.flush()
    assert telemetry.epoch_mean() == 8.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_non_finite_loss_is_written_as_null_and_names_its_step(bad: float) -> None:
    events: list[Steps] = []
    telemetry = Telemetry(events.append, images_per_step=4)
    for step, loss in enumerate([1.0, bad, 3.0], start=7):
        feed(telemetry, step, loss)
    with pytest.raises(NonFiniteLoss) as caught:
        telemetry.flush()
    assert caught.value.step == 8
    assert events[0].loss == (1.0, None, 3.0)


def test_time_that_was_not_training_does_not_count_as_throughput() -> None:
    clock, events = Clock(), list[Steps]()
    telemetry = Telemetry(events.append, images_per_step=10, clock=clock)
    clock.now = 100.0
    telemetry.restart_clock()
    clock.now = 100.5
    feed(telemetry, 1, 1.0)
    telemetry.flush()
    assert events[0].images_per_second == pytest.approx(20)
