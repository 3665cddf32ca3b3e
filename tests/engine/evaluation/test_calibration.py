"""Calibration against its definition written out, and where the answer is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from wmse_tui.engine.evaluation.calibration import expected_calibration_error, fit_temperature


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of 4 classes, and labels that are drawn from them."""
    random = torch.Generator().manual_seed(4)
    logits = 2 * torch.randn(20_000, 4, generator=random, dtype=torch.float64)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]


def test_the_error_is_that_of_its_definition() -> None:
    logits, y = (part[:300] for part in drawn())
    confidence, predicted = (3 * logits).softmax(1).max(1)
    total = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            gap = (predicted == y)[inside].double().mean() - confidence[inside].mean()
            total += abs(float(gap)) * float(inside.double().mean())
    assert expected_calibration_error(3 * logits, y) == pytest.approx(total, rel=1e-12)


def test_a_calibrated_classifier_has_nearly_none_and_a_sure_and_wrong_one_all() -> None:
    logits, y = drawn()
    assert expected_calibration_error(logits, y) < 0.01
    sure = torch.tensor([[1000.0, 0.0]]).repeat(5, 1)
    assert expected_calibration_error(sure, torch.ones(5, dtype=torch.int64)) == 1
    assert expected_calibration_error(sure, torch.zeros(5, dtype=torch.int64)) == 0


def test_the_temperature_undoes_a_factor_and_is_where_the_loss_is_least() -> None:
    logits, y = drawn()
    assert fit_temperature(5 * logits, y) == pytest.approx(5, rel=0.05)
    t = fit_temperature(logits[:500], y[:500])
    losses = [float(cross_entropy(logits[:500] / (t * f), y[:500])) for f in (0.999, 1.0, 1.001)]
    assert losses[1] <= min(losses)


def test_logits_without_an_error_have_the_least_temperature() -> None:
    assert fit_temperature(torch.eye(3), torch.arange(3)) == pytest.approx(1 / 1000)
    assert math.isfinite(fit_temperature(torch.zeros(3, 3), torch.arange(3)))
