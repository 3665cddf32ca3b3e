"""Encoder whitening: its batch in training, its averages in evaluation, in every encoder and its copies."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.models import LastWhitening, build_backbone
from wmse_tui.engine.models.encoder_whitening import EncoderOperator, EncoderWhitening

OPERATORS: tuple[EncoderOperator, ...] = ("iterative", "zca", "cholesky", "standardise")


def features(batch: int, dim: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, dim, generator=random, dtype=torch.float64)
    return x @ torch.randn(dim, dim, generator=random, dtype=torch.float64) + 1


def by_hand(x: Tensor, operator: str, eps: float, steps: int) -> tuple[Tensor, Tensor]:
    """Whitened features and the matrix, from the definitions, through automatic differentiation."""
    centred = x - x.mean(0)
    identity = torch.eye(x.shape[1], dtype=x.dtype)
    covariance = (1 - eps) * centred.T @ centred / (len(x) - 1) + eps * identity
    if operator == "standardise":
        matrix = torch.diag(covariance.diagonal().rsqrt())
    elif operator == "cholesky":
        matrix = torch.linalg.inv(torch.linalg.cholesky(covariance))
    elif operator == "zca":
        values, vectors = torch.linalg.eigh(covariance)
        matrix = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    else:
        scaled, matrix = covariance / covariance.trace(), identity
        for _ in range(steps):
            matrix = 1.5 * matrix - 0.5 * matrix @ matrix @ matrix @ scaled
        matrix = matrix / covariance.trace().sqrt()
    return centred @ matrix.T, matrix


@pytest.mark.parametrize("operator", OPERATORS)
def test_value_and_gradient_in_training_are_those_of_the_definition(operator: EncoderOperator) -> None:
    layer = EncoderWhitening(4, operator=operator, eps=1e-3, steps=4).double()
    ours, theirs = features(20, 4).requires_grad_(), features(20, 4).requires_grad_()
    weights = features(20, 4, seed=5)
    z = layer(ours)
    expected, _ = by_hand(theirs, operator, 1e-3, 4)
    torch.testing.assert_close(z, expected, rtol=1e-8, atol=1e-8)
    (z * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("operator", OPERATORS)
def test_evaluation_uses_the_averages_of_mean_and_matrix(operator: EncoderOperator) -> None:
    layer = EncoderWhitening(4, operator=operator, eps=1e-3, momentum=0.25).double()
    mean, matrix = torch.zeros(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    for seed in range(3):
        x = features(30, 4, seed)
        layer(x)
        mean = 0.75 * mean + 0.25 * x.mean(0)
        matrix = 0.75 * matrix + 0.25 * by_hand(x, operator, 1e-3, 5)[1]
    assert int(layer.num_batches_tracked) == 3
    layer.eval()
    x = features(7, 4, 9)
    torch.testing.assert_close(layer(x), (x - mean) @ matrix.T, rtol=1e-8, atol=1e-8)
    assert int(layer.num_batches_tracked) == 3
    torch.testing.assert_close(layer(x[:1]), layer(x)[:1])  # an image does not depend on its neighbours


def test_groups_are_whitened_apart() -> None:
    x = features(50, 6)
    layer = EncoderWhitening(6, operator="zca", eps=0, groups=2).double()
    z = layer(x)
    for part in (slice(0, 3), slice(3, 6)):
        torch.testing.assert_close(z[:, part], by_hand(x[:, part], "zca", 0, 0)[0], rtol=1e-8, atol=1e-8)
    assert (z[:, :3].T @ z[:, 3:]).abs().max() > 1  # what groups share stays
    torch.testing.assert_close(layer.running_matrix.shape, torch.Size((2, 3, 3)))


def test_without_momentum_the_average_is_plain_and_can_begin_anew() -> None:
    layer = EncoderWhitening(3, operator="zca", momentum=None).double()
    batches = [features(20, 3, seed) for seed in range(4)]
    for x in batches:
        layer(x)
    expected = torch.stack([x.mean(0) for x in batches]).mean(0)
    torch.testing.assert_close(layer.running_mean, expected)
    layer.reset_running_stats()
    assert torch.equal(layer.running_mean, torch.zeros_like(expected))
    assert torch.equal(layer.running_matrix, torch.eye(3).double()[None])
    assert int(layer.num_batches_tracked) == 0


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("kind", ["white", "rank 1", "fewer images than features", "one point"])
def test_gradients_stay_finite_on_degenerate_features(operator: EncoderOperator, kind: str) -> None:
    x = features(16, 8).float()
    if kind == "white":
        x = torch.linalg.qr(x - x.mean(0))[0] * 15**0.5
    elif kind == "rank 1":
        x = x[:, :1] * torch.ones(8)
    elif kind == "fewer images than features":
        x = x[:5]
    else:
        x = torch.ones(16, 8)
    x.requires_grad_()
    eps = 1e-3 if operator in ("zca", "cholesky") else 1e-5  # what inverts in float32 needs a rank
    z = EncoderWhitening(8, operator=operator, eps=eps)(x)
    z.square().sum().backward()
    assert z.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_it_leaves_autocast_and_gives_float32() -> None:
    x, layer = features(20, 4).bfloat16(), EncoderWhitening(4)
    expected = copy.deepcopy(layer)(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = layer(x)
        evaluated = layer.eval()(x)
    assert (z.dtype, evaluated.dtype) == (torch.float32, torch.float32)
    assert torch.equal(z, expected)


def test_bad_sizes_and_features_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="6 features cannot be divided into 4 groups"):
        EncoderWhitening(6, groups=4)
    with pytest.raises(ValueError, match="one image has no covariance"):
        EncoderWhitening(4)(torch.ones(1, 4))
    layer = EncoderWhitening(8, operator="zca", eps=0)
    with pytest.raises(WhiteningFailed, match="features cannot be whitened") as caught:
        layer(features(5, 8).float())
    assert "backbone.whitening=zca" in caught.value.title
    assert any("whitening_eps" in step for step in caught.value.next)
    assert torch.equal(layer.running_matrix[0], torch.eye(8)), "the averages exclude a batch that failed"


@pytest.mark.parametrize("arch", ["cifar_resnet8", "resnet18"])
def test_it_is_the_last_layer_of_any_backbone(arch: str) -> None:
    torch.manual_seed(0)
    plain = build_backbone(arch, crop=16)
    torch.manual_seed(0)
    last = LastWhitening(operator="zca", eps=1e-5, groups=16, steps=5, momentum=0.1)
    whitened = build_backbone(arch, crop=16, whitening=last)
    images = torch.randn(32, 3, 16, 16)
    expected = EncoderWhitening(plain.feature_dim, operator="zca", groups=16)(plain(images))
    torch.testing.assert_close(whitened(images), expected)
    extra = set(whitened.state_dict()) - set(plain.state_dict())
    assert extra == {"fc.running_mean", "fc.running_matrix", "fc.num_batches_tracked"}


def test_a_momentum_encoder_has_a_layer_of_its_own() -> None:
    experiment = load_experiment(
        preset="quickstart", overrides=("method.name=byol", "backbone.whitening=iterative")
    )
    method = build_method(experiment)
    online, target = method.encoder.fc, method.get_submodule("target_encoder.fc")
    assert isinstance(online, EncoderWhitening)
    assert isinstance(target, EncoderWhitening)
    assert online is not target
    losses = method(torch.randn(2, 16, 3, 16, 16), step_key=(0, 1))
    losses.total.backward()
    method.after_step(0.5)
    assert int(online.num_batches_tracked) == int(target.num_batches_tracked) == 2
    fresh = build_method(experiment)
    fresh.load_state_dict(method.state_dict())
    assert torch.equal(fresh.get_submodule("target_encoder.fc").running_matrix, target.running_matrix)  # type: ignore[arg-type]
    assert isinstance(fresh.encoder.fc, nn.Module)
