"""Accuracies and their intervals against published formulas."""

from __future__ import annotations

import pytest
import torch

from wmse_tui.engine.evaluation.scores import (
    Z,
    mean_per_class,
    mean_score,
    score,
    student_quantile,
    top1,
    wilson,
)
from wmse_tui.runs.state.transfer_results import Score


def test_the_mean_per_class_weighs_classes_equally() -> None:
    y, predicted = torch.tensor([0, 0, 0, 0, 7]), torch.tensor([0, 0, 0, 1, 1])
    assert mean_per_class(predicted, y) == pytest.approx((3 / 4 + 0) / 2)
    assert top1(predicted, y) == pytest.approx(3 / 5)


def test_wilsons_interval_is_where_the_score_test_is_at_its_limit() -> None:
    for right, images in ((0, 10), (7, 10), (81, 1000), (10, 10)):
        found = wilson(right, images)
        for bound in {found.low, found.high} - {0.0, 1.0}:
            assert abs(found.value - bound) == pytest.approx(Z * (bound * (1 - bound) / images) ** 0.5)
        assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_interval_of_a_mean_of_equal_classes_is_about_that_of_the_share() -> None:
    y = torch.arange(2000) % 4
    predicted = torch.where(torch.rand(2000, generator=torch.Generator().manual_seed(1)) < 0.7, y, y + 1)
    share, mean = score(predicted, y, per_class=False), score(predicted, y, per_class=True)
    assert mean.value == pytest.approx(share.value)
    assert (mean.low, mean.high) == pytest.approx((share.low, share.high), abs=0.001)


def test_a_class_of_few_images_without_an_error_is_not_certain() -> None:
    y = torch.tensor([0, 1, 1])
    found = score(y.clone(), y, per_class=True)
    assert found.value == found.high == 1
    assert found.low < 0.75


@pytest.mark.parametrize("measure", [top1, mean_per_class])
def test_predictions_of_other_images_are_refused(measure: object) -> None:
    with pytest.raises(ValueError, match="2 predictions for 3"):
        measure(torch.zeros(2), torch.zeros(3))  # type: ignore[operator]


def test_students_quantiles_are_those_of_the_tables() -> None:
    for freedom, quantile in ((1, 12.706), (2, 4.303), (9, 2.262), (30, 2.042)):
        assert student_quantile(freedom) == pytest.approx(quantile, abs=0.001)


def test_the_interval_of_a_mean_is_students() -> None:
    found = mean_score([0.45, 0.5, 0.55])
    assert found.value == 0.5
    assert found.high - 0.5 == pytest.approx(4.302653 * 0.05 / 3**0.5, rel=1e-4)
    assert mean_score([0.25]) == Score(0.25, 0.25, 0.25)
    assert mean_score([0.0, 1.0]) == Score(0.5, 0.0, 1.0)
