"""Trainings of several ranks end as those of one process, in float64, stopped and resumed on any number."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from forked_ranks import ForkedRanks
from rank_steps import STEPS, TRAINING_BOUND, State, difference, experiment_of, train

from wmse_tui.engine.distribution.ranks import ALONE

slow = pytest.mark.slow_faults
"""The whole of it takes minutes where four ranks share two cores."""


@cache
def trained_alone(steps: int) -> State:
    return train(ALONE, experiment_of("w_mse"), 0, steps)


@pytest.mark.parametrize(
    ("world", "steps"),
    [(2, 6), pytest.param(2, STEPS, marks=slow), pytest.param(4, STEPS, marks=slow)],
)
def test_a_training_is_that_of_one_process_and_a_resumed_one_has_the_same_bits(
    world: int, steps: int, forked_ranks: ForkedRanks
) -> None:
    experiment, half = experiment_of("w_mse"), steps // 2
    with forked_ranks.group(world) as ranks:
        whole = ranks.run(train, experiment, 0, steps)["method"]
        before = ranks.run(train, experiment, 0, half)
        resumed = ranks.run(train, experiment, half, steps, before)["method"]
    assert difference(whole, trained_alone(steps)["method"]) < TRAINING_BOUND
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@slow
def test_a_training_resumes_on_any_number_of_ranks(forked_ranks: ForkedRanks) -> None:
    experiment, state = experiment_of("w_mse"), None
    for world, first, last in ((2, 0, 16), (4, 16, 32)):
        with forked_ranks.group(world) as group:
            state = group.run(train, experiment, first, last, state)
    end = train(ALONE, experiment, 32, STEPS, state)
    assert difference(end["method"], trained_alone(STEPS)["method"]) < TRAINING_BOUND
