"""The optimisers do the update of their papers, and leave everything alone when the loss is not finite."""

from __future__ import annotations

import pytest
import torch

from wmse_tui.config.sections.optimizer import Adam, AdamW, Lars, Optimizer, Sgd
from wmse_tui.engine.training.optimizers import build_optimizer, set_rates, step_unless_nonfinite

CONFIGS: list[Optimizer] = [
    Adam(lr=0.1, weight_decay=0.01),
    AdamW(lr=0.1, weight_decay=0.01),
    Sgd(lr=0.1, momentum=0.9, weight_decay=0.01),
    Lars(lr=0.1, momentum=0.9, weight_decay=0.01, trust=0.1),
]


def one_parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))


def two_parameters() -> list[torch.nn.Parameter]:
    """A vector and a matrix, which LARS treats differently."""
    return [one_parameter(), torch.nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_non_finite_loss_moves_neither_weights_nor_state(config: Optimizer) -> None:
    parameters = two_parameters()
    optimizer = build_optimizer(parameters, config)
    for loss in (1.0, float("nan"), float("inf")):
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, loss)
        before = [parameter.detach().clone() for parameter in parameters], str(optimizer.state_dict())
        set_rates(optimizer, 0.1)
        step_unless_nonfinite(optimizer, torch.tensor(loss))
        for parameter, was in zip(parameters, before[0], strict=True):
            assert torch.equal(parameter.detach(), was) == (loss != 1.0)
        if loss != 1.0:
            assert str(optimizer.state_dict()) == before[1]


def test_adam_couples_weight_decay_and_adamw_does_not() -> None:
    """First steps by hand: Adam moves by lr * sign(g + wd * p); AdamW shrinks by lr * wd first."""
    for config, expected in (
        (CONFIGS[0], [1 - 0.1, -2 + 0.1, 3 - 0.1]),
        (CONFIGS[1], [1 * 0.999, -2 * 0.999, 3 * 0.999]),
    ):
        parameter = one_parameter()
        optimizer = build_optimizer([parameter], config)
        parameter.grad = torch.zeros(3)
        set_rates(optimizer, 0.1)
        step_unless_nonfinite(optimizer, torch.tensor(1.0))
        torch.testing.assert_close(parameter.detach(), torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_the_learning_rate_of_the_call_is_the_one_used() -> None:
    parameter = one_parameter()
    optimizer = build_optimizer([parameter], Sgd(lr=100.0, momentum=0.0, weight_decay=0.0))
    parameter.grad = torch.ones(3)
    set_rates(optimizer, 0.25)
    step_unless_nonfinite(optimizer, torch.tensor(1.0))
    assert parameter.tolist() == [0.75, -2.25, 2.75]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_checkpoint_from_before_there_were_groups_is_read(config: Optimizer) -> None:
    parameter = one_parameter()
    optimizer = build_optimizer([parameter], config)
    state = optimizer.state_dict()
    for key in ("scheduled", "scale"):
        del state["param_groups"][0][key]
    optimizer.load_state_dict(state)
    set_rates(optimizer, 0.025)
    step_unless_nonfinite(optimizer, torch.tensor(1.0))
    assert optimizer.param_groups[0]["lr"] == 0.025


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_after_a_non_finite_loss_a_finite_one_moves_nothing_either(config: Optimizer) -> None:
    """The host learns of the bad step later; the weights it then diagnoses must be those of that step."""
    parameter = one_parameter()
    optimizer = build_optimizer([parameter], config)
    for loss in (float("nan"), 1.0):
        parameter.grad = torch.ones(3)
        set_rates(optimizer, 0.1)
        step_unless_nonfinite(optimizer, torch.tensor(loss))
    assert parameter.tolist() == [1.0, -2.0, 3.0]
