"""LARS against steps computed by hand, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from wmse_tui.config.sections.optimizer import Lars
from wmse_tui.engine.training.optimizers import build_optimizer, set_rates, step_unless_nonfinite

FINITE = torch.tensor(1.0)


def weights() -> list[torch.nn.Parameter]:
    """A matrix of length 5, a bias, the scale of a BatchNorm."""
    values = ([[3.0, 0.0], [0.0, 4.0]], [1.0, -2.0], [1.0, 1.0])
    return [torch.nn.Parameter(torch.tensor(value)) for value in values]


def by_hand(w: Tensor, gradients: list[Tensor], config: Lars, rates: list[float], *, adapted: bool) -> Tensor:
    """The recurrence of the paper in plain numbers, float64."""
    w, m = w.detach().double(), torch.zeros_like(w, dtype=torch.float64)
    for gradient, lr in zip(gradients, rates, strict=True):
        g = gradient.double()
        if adapted:
            size, slope = w.square().sum() ** 0.5, g.square().sum() ** 0.5
            local = config.trust * size / (slope + config.weight_decay * size)
            if size == 0 or slope == 0:
                local = torch.tensor(1.0)
            elif config.clip:
                local = min(local, torch.tensor(lr)) / lr
            g = local * (g + config.weight_decay * w)
        m = config.momentum * m + g
        w = w - lr * m
    return w


@pytest.mark.parametrize(
    "config",
    [
        Lars(lr=0.3, trust=0.02, weight_decay=0.1),
        Lars(lr=0.3, trust=0.02, weight_decay=0.1, clip=True),
        Lars(lr=0.01, trust=0.5, weight_decay=0.0, clip=True, momentum=0.0),
        Lars(lr=0.3, bias_lr=0.01),
    ],
    ids=str,
)
def test_three_steps_are_those_by_hand(config: Lars) -> None:
    parameters = weights()
    start = [parameter.detach().clone() for parameter in parameters]
    optimizer = build_optimizer(parameters, config)
    generator = torch.Generator().manual_seed(0)
    rates, seen = [config.lr, config.lr / 2, config.lr / 8], [[], [], []]  # type: ignore[var-annotated]
    for lr in rates:
        for index, parameter in enumerate(parameters):
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            seen[index].append(parameter.grad.clone())
        set_rates(optimizer, lr)
        step_unless_nonfinite(optimizer, FINITE)
    of_biases = 1.0 if config.bias_lr is None else config.bias_lr / config.lr
    for index, parameter in enumerate(parameters):
        adapted = index == 0
        own = rates if adapted else [lr * of_biases for lr in rates]
        expected = by_hand(start[index], seen[index], config, own, adapted=adapted)
        torch.testing.assert_close(parameter.detach().double(), expected, rtol=1e-6, atol=1e-7)


def test_the_first_step_in_numbers() -> None:
    """|w| = 5, |g| = 2: λ = 0.1 · 5 / (2 + 0.2 · 5) = 1 / 6; the step is 0.5 λ (g + 0.2 w)."""
    matrix, bias, _ = parameters = weights()
    optimizer = build_optimizer(parameters, Lars(lr=0.5, trust=0.1, weight_decay=0.2))
    matrix.grad, bias.grad = torch.tensor([[0.0, 2.0], [0.0, 0.0]]), torch.tensor([1.0, 1.0])
    set_rates(optimizer, 0.5)
    step_unless_nonfinite(optimizer, FINITE)
    expected = torch.tensor([[3 - 0.6 / 12, -2 / 12], [0, 4 - 0.8 / 12]])
    torch.testing.assert_close(matrix.detach(), expected)
    assert bias.tolist() == [0.5, -2.5]  # neither adapted nor decayed


def test_the_length_of_a_step_knows_nothing_of_the_length_of_the_gradient() -> None:
    moved = []
    for size in (1e-3, 1.0, 1e3):
        matrix = weights()[0]
        optimizer = build_optimizer([matrix], Lars(lr=1.0, trust=0.01, weight_decay=0.0))
        matrix.grad = size * torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        before = matrix.detach().clone()
        set_rates(optimizer, 1.0)
        step_unless_nonfinite(optimizer, FINITE)
        moved.append((matrix.detach() - before).norm().item())
    assert moved == pytest.approx([0.05] * 3, rel=1e-5)


def test_clipped_it_steps_no_further_than_plain_descent() -> None:
    matrix = weights()[0]
    optimizer = build_optimizer([matrix], Lars(lr=0.1, trust=1.0, weight_decay=0.0, clip=True))
    matrix.grad = torch.full((2, 2), 1e-3)  # unclipped λ would be 2500
    before = matrix.detach().clone()
    set_rates(optimizer, 0.1)
    step_unless_nonfinite(optimizer, FINITE)
    torch.testing.assert_close(matrix.detach(), before - 0.1 * 1e-3)


@pytest.mark.parametrize(("weight", "slope"), [(0.0, 1.0), (1.0, 0.0)])
def test_without_weight_or_gradient_nothing_is_adapted(weight: float, slope: float) -> None:
    matrix = torch.nn.Parameter(torch.full((2, 2), weight))
    optimizer = build_optimizer([matrix], Lars(lr=0.5, weight_decay=0.25, momentum=0.0))
    matrix.grad = torch.full((2, 2), slope)
    set_rates(optimizer, 0.5)
    step_unless_nonfinite(optimizer, FINITE)
    assert matrix.tolist() == [[weight - 0.5 * (slope + 0.25 * weight)] * 2] * 2


@pytest.mark.parametrize("clip", [False, True])
def test_at_a_rate_of_zero_nothing_moves(clip: bool) -> None:
    matrix = weights()[0]
    optimizer = build_optimizer([matrix], Lars(clip=clip))
    matrix.grad = torch.ones(2, 2)
    set_rates(optimizer, 0.0)
    step_unless_nonfinite(optimizer, FINITE)
    assert matrix.tolist() == weights()[0].tolist()


def test_a_gradient_that_is_missing_is_passed_over() -> None:
    first, second, _ = parameters = weights()
    optimizer = build_optimizer(parameters, Lars())
    second.grad = torch.ones(2)
    set_rates(optimizer, 0.3)
    step_unless_nonfinite(optimizer, FINITE)
    assert first.tolist() == weights()[0].tolist()


def stepped(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter], steps: range) -> None:
    for step in steps:
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, float(step))
        set_rates(optimizer, 0.3 / step)
        step_unless_nonfinite(optimizer, FINITE)


def test_saved_and_loaded_it_continues_to_the_same_bits(tmp_path: Any) -> None:
    config = Lars(lr=0.3, trust=0.1, bias_lr=0.01)
    parameters = weights()
    optimizer = build_optimizer(parameters, config)
    stepped(optimizer, parameters, range(1, 4))
    torch.save({"weights": parameters, "optimizer": optimizer.state_dict()}, tmp_path / "half")
    stepped(optimizer, parameters, range(4, 7))

    saved = torch.load(tmp_path / "half", weights_only=True)
    resumed = [torch.nn.Parameter(value.detach()) for value in saved["weights"]]
    again = build_optimizer(resumed, config)
    again.load_state_dict(saved["optimizer"])
    stepped(again, resumed, range(4, 7))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(resumed, parameters, strict=True))
