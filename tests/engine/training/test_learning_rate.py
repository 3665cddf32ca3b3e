"""The learning rate and the evaluations, against the paper's recipe written out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from wmse_tui.config.sections.evaluation import EvaluationOptions
from wmse_tui.config.sections.schedule import ConstantSchedule, CosineSchedule, StepSchedule
from wmse_tui.engine.training.learning_rate import evaluation_due, learning_rate

STEPS = 97  # CIFAR-10: 50,000 // 512


def test_warm_up_is_linear_over_the_first_steps_and_reaches_the_base() -> None:
    schedule = StepSchedule(epochs=1000, batch_size=512, warmup_steps=500)
    rates = [learning_rate(schedule, 3e-3, step=s, steps_per_epoch=STEPS) for s in (1, 250, 500, 501)]
    assert rates == pytest.approx([3e-3 / 500, 1.5e-3, 3e-3, 3e-3], rel=1e-12)


def test_step_schedule_equals_torchs_multistep_stepped_after_each_epoch() -> None:
    schedule = StepSchedule(epochs=80, batch_size=512, warmup_steps=0, milestones=(50, 25), gamma=0.2)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-3)
    reference = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[30, 55], gamma=0.2)
    for epoch in range(80):
        first, last = epoch * 3 + 1, epoch * 3 + 3
        for step in (first, last):
            ours = learning_rate(schedule, 3e-3, step=step, steps_per_epoch=3)
            assert ours == pytest.approx(reference.get_last_lr()[0], rel=1e-12), (epoch, step)
        optimizer.step()
        reference.step()


def test_cosine_falls_from_the_base_to_the_final_factor() -> None:
    schedule = CosineSchedule(epochs=10, batch_size=512, warmup_steps=10, final_factor=0.1)
    rates = [learning_rate(schedule, 1.0, step=s, steps_per_epoch=11) for s in (10, 60, 110)]
    assert rates == pytest.approx([1.0, 0.1 + 0.9 * (1 + math.cos(math.pi / 2)) / 2, 0.1])


def test_constant_stays() -> None:
    schedule = ConstantSchedule(epochs=10, batch_size=512, warmup_steps=0)
    assert {learning_rate(schedule, 0.5, step=s, steps_per_epoch=7) for s in range(1, 71)} == {0.5}


def test_evaluations_come_every_20_epochs_and_every_5_after_the_first_drop() -> None:
    schedule = StepSchedule(epochs=1000, batch_size=512, milestones=(50, 25))
    evaluation = EvaluationOptions(every=20, every_after_drop=5)
    due = [epoch for epoch in range(1, 1001) if evaluation_due(epoch, schedule, evaluation)]
    assert due[:3] == [20, 40, 60]
    assert due[-11:] == list(range(950, 1001, 5))


def test_the_last_epoch_is_always_evaluated() -> None:
    schedule = ConstantSchedule(epochs=7, batch_size=512)
    assert evaluation_due(7, schedule, EvaluationOptions(every=20))
