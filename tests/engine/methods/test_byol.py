"""The method BYOL: a predictor, and a target that follows the online networks along the cosine schedule."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from wmse_tui.config.methods import Byol
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.losses import byol_loss
from wmse_tui.engine.methods import build_method, byol

Build = Callable[..., Experiment]


def build(experiment: Build, **options: float) -> byol.Byol:
    method = build_method(experiment(Byol(predictor_hidden=12, **options)))  # type: ignore[arg-type]
    assert isinstance(method, byol.Byol)
    return method


def shaken(method: byol.Byol) -> byol.Byol:
    """As after some training: the online networks differ from the target."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in method.trainable_parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return method


def test_the_loss_compares_predictions_with_the_targets_of_the_other_views(
    experiment: Build, views: Tensor
) -> None:
    method = shaken(build(experiment))
    copied = copy.deepcopy(method)
    with torch.no_grad():
        online = [copied.projector(copied.encoder(view)) for view in views]
        predictions = torch.stack([copied.predictor(embedding) for embedding in online])
        targets = torch.stack([copied.target_projector(copied.target_encoder(view)) for view in views])
        losses = method(views, step_key=(0, 1))
    assert losses.total.item() == byol_loss(predictions, targets).item()
    assert torch.equal(losses.embeddings, torch.stack(online))


def test_the_predictor_is_linear_batchnorm_relu_linear(experiment: Build) -> None:
    predictor = build(experiment).predictor
    assert isinstance(predictor, nn.Sequential)
    assert [type(module).__name__ for module in predictor] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert predictor[0].weight.shape == (12, 4)
    assert predictor[3].weight.shape == (4, 12)


def test_the_target_starts_as_a_copy_and_is_not_trained(experiment: Build) -> None:
    method = build(experiment)
    for target, online in (
        (method.target_encoder, method.encoder),
        (method.target_projector, method.projector),
    ):
        for (name, ours), theirs in zip(target.named_parameters(), online.parameters(), strict=True):
            assert torch.equal(ours, theirs), name
            assert ours.data_ptr() != theirs.data_ptr()
            assert not ours.requires_grad
    trainable = {id(p) for p in method.trainable_parameters()}
    assert trainable == {
        id(p) for part in (method.encoder, method.projector, method.predictor) for p in part.parameters()
    }


@pytest.mark.parametrize(
    ("momentum", "progress", "share"),
    [(0.99, 0.0, 0.99), (0.99, 0.5, 0.995), (0.99, 1.0, 1.0), (0.9, 0.25, 1 - 0.1 * (2**0.5 / 2 + 1) / 2)],
)
def test_the_target_retains_a_share_that_rises_to_one(
    momentum: float, progress: float, share: float, experiment: Build
) -> None:
    method = shaken(build(experiment, momentum=momentum))
    before = [p.clone() for p in method.target_encoder.parameters()]
    method.after_step(progress)
    for was, now, online in zip(
        before, method.target_encoder.parameters(), method.encoder.parameters(), strict=True
    ):
        torch.testing.assert_close(now, share * was + (1 - share) * online, rtol=1e-6, atol=1e-7)


def test_the_target_projector_is_updated_and_the_predictor_has_no_target(experiment: Build) -> None:
    method = shaken(build(experiment, momentum=0.0))
    method.after_step(0.0)
    for target, online in zip(
        method.target_projector.parameters(), method.projector.parameters(), strict=True
    ):
        torch.testing.assert_close(target, online)
    assert not any("target_predictor" in name for name in method.state_dict())


def test_running_statistics_of_the_target_are_its_own(experiment: Build, views: Tensor) -> None:
    method = shaken(build(experiment, momentum=0.0))
    method(views, step_key=(0, 1))
    before = {name: value.clone() for name, value in method.target_encoder.named_buffers()}
    method.after_step(0.0)
    after = dict(method.target_encoder.named_buffers())
    assert all(torch.equal(before[name], after[name]) for name in before)
    name = "stem.1.running_mean"
    assert after[name].any()  # training mode: the batch passed through it
    assert not torch.equal(after[name], dict(method.encoder.named_buffers())[name])


def test_the_target_is_saved(experiment: Build) -> None:
    method = shaken(build(experiment))
    method.after_step(0.0)
    other = build(experiment)
    other.load_state_dict(method.state_dict())
    for target, saved in zip(
        other.target_encoder.parameters(), method.target_encoder.parameters(), strict=True
    ):
        assert torch.equal(target, saved)
