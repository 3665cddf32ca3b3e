"""The probe of transfer against independent derivations in NumPy, float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wmse_tui.engine.evaluation.transfer_probe import GRID, fit_selected, validation_split


def features() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    y = torch.arange(60) % 3
    centres = torch.randn(3, 5, generator=random, dtype=torch.float64)
    return centres[y] + torch.randn(60, 5, generator=random, dtype=torch.float64), y


def test_the_grid_is_that_of_the_field() -> None:
    np.testing.assert_allclose(GRID, np.logspace(-6, 5, 45), rtol=1e-12)


def test_the_refit_is_the_optimum_over_all_training_images_at_the_chosen_c() -> None:
    x, y = features()
    probe = fit_selected(x, y, grid=(1e-2, 1.0))
    assert probe.c in (1e-2, 1.0)
    inputs, weight = x.numpy(), probe.classifier.weight.numpy()
    logits = inputs @ weight.T + probe.classifier.bias.numpy()
    shares = np.exp(logits - logits.max(1, keepdims=True))
    residual = shares / shares.sum(1, keepdims=True) - np.eye(3)[y.numpy()]
    # d/dW of C * (sum of cross-entropies) + |W|² / 2, as the field writes it, is zero at the optimum
    np.testing.assert_allclose(probe.c * residual.T @ inputs + weight, 0, atol=1e-4)
    np.testing.assert_allclose(residual.sum(0), 0, atol=1e-4)


def test_equally_good_values_choose_the_strongest_regularisation() -> None:
    y = torch.arange(40) % 2
    x = torch.stack([20.0 * y - 10, torch.zeros(40)], 1).double()
    probe = fit_selected(x, y, grid=(10.0, 0.1, 1.0))
    assert (probe.c, probe.validation) == (0.1, 1.0)


def test_the_validation_part_has_a_share_of_each_class_and_is_repeatable() -> None:
    y = torch.tensor([0] * 10 + [1] * 5 + [2] * 2)
    held = validation_split(y, seed=1)
    assert torch.bincount(y[held]).tolist() == [2, 1, 1]
    assert held.tolist() == validation_split(y, seed=1).tolist()


@pytest.mark.parametrize(("labels", "named"), [([0, 0, 1], "class 1"), ([0, -1], "-1"), ([], "labels")])
def test_labels_that_cannot_be_split_are_refused(labels: list[int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        validation_split(torch.tensor(labels, dtype=torch.int64))


def test_a_published_validation_part_is_used_as_it_is() -> None:
    x, y = features()
    held = torch.arange(60) >= 45
    probe = fit_selected(x, y, held=held, grid=(1.0,))
    assert probe.validation_labels.tolist() == y[held].tolist()
    assert probe.validation == pytest.approx(
        float((probe.validation_logits.argmax(1) == y[held]).double().mean())
    )
    with pytest.raises(ValueError, match="60 of 60"):
        fit_selected(x, y, held=held | ~held)


def test_the_accuracy_is_that_of_scikit_learn_at_the_same_c() -> None:
    """Correlated features of very different scales, where a search that is not at the optimum shows."""
    from sklearn.linear_model import LogisticRegression  # slow to import: not in every test process

    random = torch.Generator().manual_seed(7)
    y = torch.arange(2000) % 5
    mixing = torch.randn(24, 24, generator=random) * torch.logspace(-2, 1, 24)
    x = (torch.randn(5, 24, generator=random)[y] + 1.5 * torch.randn(2000, 24, generator=random)) @ mixing
    probe = fit_selected(x[:500], y[:500], grid=GRID[::8])
    ours = float((probe.classifier.logits(x[500:]).argmax(1) == y[500:]).double().mean())
    reference = LogisticRegression(C=probe.c, solver="newton-cholesky")
    theirs = reference.fit(x[:500].double().numpy(), y[:500].numpy()).score(
        x[500:].double().numpy(), y[500:].numpy()
    )
    assert 0.4 < theirs < 0.98
    assert abs(ours - theirs) <= 0.002
