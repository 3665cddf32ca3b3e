"""The method SimSiam: a predictor whose rate stays, and targets that count as constants."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from wmse_tui.config.methods import SimSiam
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.optimizer import Adam, Lars, Optimizer, Sgd
from wmse_tui.engine.losses import simsiam_loss
from wmse_tui.engine.methods import build_method, simsiam
from wmse_tui.engine.training.optimizers import build_optimizer, set_rates, step_unless_nonfinite

Build = Callable[..., Experiment]


def build(experiment: Build, **options: object) -> simsiam.SimSiam:
    method = build_method(experiment(SimSiam(predictor_hidden=12, **options)))  # type: ignore[arg-type]
    assert isinstance(method, simsiam.SimSiam)
    return method


def test_the_loss_compares_predictions_with_the_embeddings_of_the_other_views(
    experiment: Build, views: Tensor
) -> None:
    method = build(experiment)
    copied = copy.deepcopy(method)
    with torch.no_grad():
        embeddings = torch.stack([copied.projector(copied.encoder(view)) for view in views])
        predictions = torch.stack([copied.predictor(embedding) for embedding in embeddings])
        losses = method(views, step_key=(0, 1))
    assert losses.total.item() == simsiam_loss(predictions, embeddings).item()
    assert torch.equal(losses.embeddings, embeddings)


def test_the_head_ends_in_a_batchnorm_without_scale_unless_configured_otherwise(experiment: Build) -> None:
    head = build(experiment).projector
    assert isinstance(head, nn.Sequential)
    assert isinstance(head[-1], nn.BatchNorm1d)
    assert (head[-1].num_features, head[-1].affine) == (4, False)
    plain = build(experiment, output_batch_norm=False).projector
    assert isinstance(plain, nn.Sequential)
    assert isinstance(plain[-1], nn.Linear)


def test_the_predictor_is_linear_batchnorm_relu_linear(experiment: Build) -> None:
    predictor = build(experiment).predictor
    assert isinstance(predictor, nn.Sequential)
    assert [type(module).__name__ for module in predictor] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert predictor[0].weight.shape == (12, 4)
    assert predictor[3].weight.shape == (4, 12)


@pytest.mark.parametrize("config", [Sgd(lr=0.5), Adam(lr=0.5), Lars(lr=0.5)], ids=lambda c: c.name)
@pytest.mark.parametrize("rule", ["constant", "scheduled"])
def test_the_predictor_keeps_its_rate_while_the_others_fall(
    rule: str, config: Optimizer, experiment: Build, views: Tensor
) -> None:
    method = build(experiment, predictor_rate=rule)
    optimizer = build_optimizer(
        method.trainable_parameters(), config, unscheduled=method.unscheduled_parameters()
    )
    loss = method(views, step_key=(0, 1)).total
    loss.backward()
    set_rates(optimizer, 0.05)
    step_unless_nonfinite(optimizer, loss)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert rates.keys() == {id(parameter) for parameter in method.trainable_parameters()}
    predictor = {rates[id(parameter)] for parameter in method.predictor.parameters()}
    others = {rates[id(p)] for part in (method.encoder, method.projector) for p in part.parameters()}
    assert predictor == {0.5 if rule == "constant" else 0.05}
    assert others == {0.05}


def test_a_step_of_the_predictor_is_as_long_as_its_own_rate_says(experiment: Build, views: Tensor) -> None:
    method = build(experiment)
    optimizer = build_optimizer(
        method.trainable_parameters(),
        Sgd(lr=0.5, momentum=0.0, weight_decay=0.0),
        unscheduled=method.unscheduled_parameters(),
    )
    before = {name: parameter.detach().clone() for name, parameter in method.named_parameters()}
    loss = method(views, step_key=(0, 1)).total
    loss.backward()
    set_rates(optimizer, 0.05)
    step_unless_nonfinite(optimizer, loss)
    for name, parameter in method.named_parameters():
        rate = 0.5 if name.startswith("predictor") else 0.05
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.detach(), before[name] - rate * parameter.grad)
