"""The linear probe: the paper's recipe step by step, and an optimum that independent means confirm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from recording import Recording
from torch import Tensor, nn
from torch.nn import functional

from wmse_tui.engine.evaluation import linear
from wmse_tui.engine.evaluation.interruption import EvaluationInterrupted
from wmse_tui.engine.evaluation.linear import (
    LinearClassifier,
    accuracy_of,
    fit_adam,
    fit_lbfgs,
    linear_accuracy,
    loss_and_gradient,
)


def clusters(
    seed: int, n: int, dim: int, classes: int, *, spread: float = 1.0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Gaussian clusters about fixed centres, moved away from the origin as pooled ReLU features are."""
    centres = torch.randn(classes, dim, generator=torch.Generator().manual_seed(99), dtype=dtype)
    random = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return centres[y] + spread * torch.randn(n, dim, generator=random, dtype=dtype) + 3, y


def paper_probe(x: Tensor, y: Tensor, epochs: int, batch_size: int, seed: int) -> nn.Linear:
    """The recipe as one writes it down: nn.Linear, Adam, an exponential schedule, permutations."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = nn.Linear(x.shape[1], int(y.max()) + 1, dtype=x.dtype)
        optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-2, weight_decay=5e-6)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=(1e-6 / 1e-2) ** (1 / epochs))
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for first in range(0, len(x) - batch_size + 1, batch_size):
                batch = order[first : first + batch_size]
                optimizer.zero_grad()
                functional.cross_entropy(classifier(x[batch]), y[batch]).backward()
                optimizer.step()
            schedule.step()
    return classifier


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_adam_arrives_at_the_weights_of_the_recipe_written_down(dtype: torch.dtype, tolerance: float) -> None:
    x, y = clusters(0, 250, 6, 7, dtype=dtype)  # 250 = two batches of 100 and a remainder

    ours = fit_adam(x, y, epochs=20, batch_size=100, seed=3)
    reference = paper_probe(x, y, epochs=20, batch_size=100, seed=3)

    torch.testing.assert_close(ours.weight, reference.weight.detach(), rtol=0, atol=tolerance)
    torch.testing.assert_close(ours.bias, reference.bias.detach(), rtol=0, atol=tolerance)


class FirstAsRecorded:
    """A `Recorder` for the CPU, on which recording is the first run."""

    rate_dtype = torch.float64

    def __init__(self, *, refuses: bool = False) -> None:
        self.replays = 0
        self.refuses = refuses

    def on_stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    def synchronises(self, operation: str, tensors: Iterable[Any]) -> bool:
        return False

    def record(self, compute: Callable[[], None]) -> Callable[[], None]:
        if self.refuses:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        with Recording() as recording:
            compute()

        def replay() -> None:
            if self.replays:
                recording.replay()
            self.replays += 1

        return replay


def test_a_recorded_epoch_gives_the_same_weights() -> None:
    x, y = clusters(0, 250, 6, 7, dtype=torch.float32)
    recorder = FirstAsRecorded()
    recorded = fit_adam(x, y, epochs=20, batch_size=100, seed=3, recorder=recorder)
    written = fit_adam(x, y, epochs=20, batch_size=100, seed=3)
    assert recorder.replays == 19
    assert torch.equal(recorded.weight, written.weight)
    assert torch.equal(recorded.bias, written.bias)


def test_an_epoch_that_cannot_be_recorded_runs_as_written() -> None:
    x, y = clusters(0, 250, 6, 7, dtype=torch.float32)
    recorder = FirstAsRecorded(refuses=True)
    found = fit_adam(x, y, epochs=4, batch_size=100, recorder=recorder)
    assert torch.equal(found.weight, fit_adam(x, y, epochs=4, batch_size=100).weight)


def test_fewer_images_than_a_batch_make_one_batch() -> None:
    x, y = clusters(1, 70, 5, 6)

    ours = fit_adam(x, y, epochs=15, seed=1)
    reference = paper_probe(x, y, epochs=15, batch_size=70, seed=1)

    torch.testing.assert_close(ours.weight, reference.weight.detach(), rtol=0, atol=1e-12)


def test_adam_without_epochs_is_a_fresh_linear_layer() -> None:
    x, y = clusters(2, 12, 5, 6, dtype=torch.float32)

    ours = fit_adam(x, y, epochs=0, seed=8)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        fresh = nn.Linear(5, 6)
    assert torch.equal(ours.weight, fresh.weight)
    assert torch.equal(ours.bias, fresh.bias)


def test_adam_depends_on_its_seed_alone_and_leaves_the_global_generator() -> None:
    x, y = clusters(3, 90, 4, 3)
    before = torch.get_rng_state()

    first, again, other = (fit_adam(x, y, epochs=3, batch_size=20, seed=seed) for seed in (1, 1, 2))

    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_analytic_gradient_is_that_of_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clusters(4, 53, 6, 4)
    weight, bias = (
        torch.randn(4, 6, dtype=x.dtype, requires_grad=True),
        torch.randn(4, dtype=x.dtype, requires_grad=True),
    )
    expected = functional.cross_entropy(functional.linear(x, weight, bias), y)
    expected.backward()
    assert weight.grad is not None
    assert bias.grad is not None

    for max_bytes in (2**28, 1000):  # in one block, and in blocks with a remainder
        monkeypatch.setattr(linear, "MAX_BYTES", max_bytes)
        loss, weight_grad, bias_grad = loss_and_gradient(x, y, weight.detach(), bias.detach())
        assert loss == pytest.approx(float(expected.detach()), abs=1e-13)
        torch.testing.assert_close(weight_grad, weight.grad, rtol=0, atol=1e-14)
        torch.testing.assert_close(bias_grad, bias.grad, rtol=0, atol=1e-14)


def objective(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, l2: float) -> Tensor:
    return functional.cross_entropy(functional.linear(x, weight, bias), y) + l2 / 2 * weight.square().sum()


@pytest.mark.parametrize("l2", [None, 0.05])
def test_lbfgs_ends_where_the_gradient_of_the_regularised_loss_vanishes(l2: float | None) -> None:
    x, y = clusters(5, 400, 12, 5)

    found = fit_lbfgs(x, y, iterations=1000, l2=l2)

    weight, bias = found.weight.requires_grad_(), found.bias.requires_grad_()
    objective(x, y, weight, bias, 1 / 400 if l2 is None else l2).backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert float(weight.grad.abs().max()) < 1e-5
    assert float(bias.grad.abs().max()) < 1e-5


def test_lbfgs_finds_the_optimum_that_newtons_method_finds() -> None:
    x, y = clusters(6, 60, 3, 3, spread=2.0)
    found = fit_lbfgs(x, y, iterations=1000)

    def flat_objective(parameters: Tensor) -> Tensor:
        return objective(x, y, parameters[:9].view(3, 3), parameters[9:], 1 / 60)

    at = torch.zeros(12, dtype=x.dtype)
    for _ in range(30):  # all biases up by one is a free direction, hence the pseudo-inverse
        gradient = torch.autograd.functional.jacobian(flat_objective, at)
        hessian = torch.autograd.functional.hessian(flat_objective, at)
        at = at - torch.linalg.pinv(hessian, hermitian=True, rtol=1e-10) @ gradient
    weight, bias = at[:9].view(3, 3), at[9:]

    assert float(gradient.abs().max()) < 1e-12
    torch.testing.assert_close(found.weight, weight, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.bias - found.bias.mean(), bias - bias.mean(), rtol=0, atol=3e-4)


def test_lbfgs_does_not_care_where_the_origin_of_the_features_lies() -> None:
    x, y = clusters(7, 200, 8, 4)

    near, far = fit_lbfgs(x, y, iterations=1000), fit_lbfgs(x + 100, y, iterations=1000)

    torch.testing.assert_close(near.weight, far.weight, rtol=0, atol=1e-4)


def test_a_hundred_lbfgs_iterations_in_float32_come_near_the_optimum() -> None:
    x, y = clusters(8, 1000, 32, 10, dtype=torch.float32)

    found, best = fit_lbfgs(x, y), fit_lbfgs(x.double(), y, iterations=2000)

    def loss(classifier: LinearClassifier) -> float:
        return float(objective(x.double(), y, classifier.weight.double(), classifier.bias.double(), 1 / 1000))

    assert loss(found) < loss(best) + 1e-4


def test_both_solvers_reach_the_same_accuracy_on_separable_clusters() -> None:
    x, y = clusters(9, 1000, 16, 8, dtype=torch.float32)
    x_test, y_test = clusters(10, 800, 16, 8, dtype=torch.float32)

    adam = linear_accuracy(x, y, x_test, y_test, solver="adam")
    lbfgs = linear_accuracy(x, y, x_test, y_test, solver="lbfgs")

    assert lbfgs.top1 > 0.9
    assert adam.top1 == pytest.approx(lbfgs.top1, abs=0.02)
    assert adam.top5 is not None
    assert adam.top5 > 0.99


def test_features_are_used_as_they_are() -> None:
    x, y = clusters(11, 300, 5, 4)

    small, large = fit_adam(x, y, epochs=5), fit_adam(x * 100, y, epochs=5)

    assert not torch.allclose(small.logits(x), large.logits(x * 100), atol=0.1)


def test_accuracy_counts_the_first_and_the_first_five_ranks() -> None:
    ranks = LinearClassifier(
        torch.zeros(7, 1), torch.arange(7, 0, -1).float()
    )  # class 0 first, class 6 last, always
    x, y = torch.zeros(10, 1), torch.tensor([0, 0, 0, 4, 4, 5, 6, 6, 1, 9])  # 9 is no class of the classifier

    result = accuracy_of(ranks, x, y)

    assert result.top1 == 0.3
    assert result.top5 == 0.6


def test_top5_is_reported_for_more_than_five_classes_only() -> None:
    def top5(classes: int) -> float | None:
        x, y = clusters(12, 60, 4, classes)
        return linear_accuracy(x, y, x, y, solver="lbfgs").top5

    assert top5(2) is None
    assert top5(5) is None
    assert top5(6) is not None


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_it_reports_its_progress_and_stops_on_request(solver: linear.Solver) -> None:
    x, y = clusters(13, 50, 4, 3)
    reported: list[tuple[str, float, float, str]] = []

    with pytest.raises(EvaluationInterrupted):
        linear_accuracy(
            x,
            y,
            x,
            y,
            solver=solver,
            epochs=100,
            progress=lambda *part: reported.append(part),
            should_stop=lambda: len(reported) == 3,
        )

    assert len(reported) == 3
    assert {(name, total, unit) for name, _, total, unit in reported} == {
        ("linear", 100, "epochs" if solver == "adam" else "iterations")
    }


def test_arguments_without_sense_are_refused() -> None:
    x, y = clusters(14, 20, 4, 3)

    with pytest.raises(ValueError, match="solver must be 'adam' or 'lbfgs', not 'sgd'"):
        linear_accuracy(x, y, x, y, solver="sgd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="20 training features have 19 labels"):
        linear_accuracy(x, y[:19], x, y)
    with pytest.raises(ValueError, match="20 test features have 19 labels"):
        linear_accuracy(x, y, x, y[:19])
    with pytest.raises(ValueError, match="there are no test features"):
        linear_accuracy(x, y, x[:0], y[:0])
    with pytest.raises(ValueError, match=r"training has \(20, 4\), test \(20, 3\)"):
        linear_accuracy(x, y, x[:, :3], y)
    with pytest.raises(ValueError, match="-1 marks an image without a label"):
        linear_accuracy(x, y - 1, x, y)
