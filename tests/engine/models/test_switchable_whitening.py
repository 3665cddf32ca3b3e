"""Switchable whitening: the formula image by image and group by group, its places, its averages."""

from __future__ import annotations

import copy

import pytest
import torch
import torchvision
from torch import Tensor, nn

from wmse_tui.engine.models import SwitchableNorm, build_backbone
from wmse_tui.engine.models.backbone import TORCHVISION
from wmse_tui.engine.models.switchable_whitening import (
    STATISTICS,
    SwitchableWhitening,
    importance_of,
)

KINDS = tuple(STATISTICS)


def switchable_norm(kind: str, *, tied: bool = False) -> SwitchableNorm:
    return SwitchableNorm(kind=kind, width=16, steps=5, tied=tied, momentum=0.01)


def maps(batch: int = 3, channels: int = 8, side: int = 4, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, channels, side, side, generator=random, dtype=torch.float64)
    turn = torch.randn(channels, channels, generator=random, dtype=torch.float64)
    return torch.einsum("ij,njhw->nihw", turn, x) + torch.randn(batch, channels, 1, 1, generator=random)


def layer_of(kind: str, seed: int = 1, **options: object) -> SwitchableWhitening:
    """A layer whose parameters are none of them what they were at the start."""
    layer = SwitchableWhitening(8, kind, width=4, steps=4, **options).double()  # type: ignore[arg-type]
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=random, dtype=torch.float64))
    return layer


def by_hand(layer: SwitchableWhitening, x: Tensor) -> Tensor:
    """Pan et al. 2019, by loops over images and groups; statistics by torch.cov; Newton's as published."""
    a, b = (list(weights) for weights in layer.weights())
    out = torch.empty_like(x)
    for n, image in enumerate(x):
        for first in range(0, x.shape[1], 4):
            group = slice(first, first + 4)
            own = image[group].flatten(1)
            everything = x[:, group].transpose(0, 1).flatten(1)
            whole = image.flatten()
            cov_i, cov_b = torch.cov(own, correction=0), torch.cov(everything, correction=0)
            identity = torch.eye(4, dtype=x.dtype)
            table = {
                "BW": (everything.mean(1), cov_b),
                "IW": (own.mean(1), cov_i),
                "BN": (everything.mean(1), torch.diag(cov_b.diagonal())),
                "IN": (own.mean(1), torch.diag(cov_i.diagonal())),
                "LN": (whole.mean().expand(4), whole.var(correction=0) * identity),
            }
            mean = sum(a[k] * table[name][0] for k, name in enumerate(layer.statistics))
            covariance = sum(b[k] * table[name][1] for k, name in enumerate(layer.statistics))
            covariance = covariance + 1e-5 * identity
            trace, root = covariance.trace(), identity
            for _ in range(4):
                root = 1.5 * root - 0.5 * root @ root @ root @ covariance / trace
            white = root / trace.sqrt() @ (own - mean[:, None])
            scaled = layer.weight[group, None] * white + layer.bias[group, None]
            out[n, group] = scaled.view(4, *x.shape[2:])
    return out


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_value_and_gradients_are_those_of_the_formula(kind: str, tied: bool) -> None:
    layer = layer_of(kind, tied=tied)
    ours, theirs = maps().requires_grad_(), maps().requires_grad_()
    along = maps(seed=7)
    y, expected = layer(ours), by_hand(layer, theirs)
    torch.testing.assert_close(y, expected, rtol=1e-8, atol=1e-8)
    gradients = torch.autograd.grad((y * along).sum(), [ours, *layer.parameters()])
    truth = torch.autograd.grad((expected * along).sum(), [theirs, *layer.parameters()])
    for one, other in zip(gradients, truth, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def test_the_five_weights_all_count_and_sum_to_one() -> None:
    """In the authors' code the third and fourth covariance weights have no effect."""
    layer = layer_of("sw5")
    assert [w.sum().item() for w in layer.weights()] == pytest.approx([1, 1])
    (layer(maps()) * maps(seed=3)).sum().backward()
    assert layer.covariance_logits.grad is not None
    assert (layer.covariance_logits.grad.abs() > 1e-9).all()


def test_all_weight_on_the_diagonal_of_the_batch_is_batch_norm() -> None:
    layer = SwitchableWhitening(8, "sw5", width=4, steps=30).double()
    with torch.no_grad():
        for logits in (layer.mean_logits, layer.covariance_logits):
            logits.copy_(torch.tensor([-1e3, -1e3, 0, -1e3, -1e3]))
    norm = nn.BatchNorm2d(8).double()
    torch.testing.assert_close(layer(maps()), norm(maps()), rtol=1e-4, atol=1e-4)


def test_all_weight_on_the_batch_whitens_it() -> None:
    layer = SwitchableWhitening(8, "sw2", width=4, steps=30, eps=0).double()
    with torch.no_grad():
        layer.covariance_logits.copy_(torch.tensor([0.0, -1e3]))
        layer.mean_logits.copy_(torch.tensor([0.0, -1e3]))
    y = layer(maps(16)).transpose(0, 1).flatten(1)
    for group in (y[:4], y[4:]):
        torch.testing.assert_close(torch.cov(group, correction=0), torch.eye(4).double(), rtol=0, atol=1e-6)


def test_evaluation_uses_the_averages_of_the_batches_and_the_image_itself() -> None:
    layer = layer_of("sw3", momentum=0.25)
    mean, covariance = torch.zeros(8).double(), torch.eye(4).double().repeat(2, 1, 1)
    for seed in range(3):
        x = maps(seed=seed)
        layer(x)
        flat = x.transpose(0, 1).flatten(1)
        mean = 0.75 * mean + 0.25 * flat.mean(1)
        both = torch.stack([torch.cov(flat[:4], correction=0), torch.cov(flat[4:], correction=0)])
        covariance = 0.75 * covariance + 0.25 * both
    torch.testing.assert_close(layer.running_mean.flatten(), mean)
    torch.testing.assert_close(layer.running_covariance, covariance)
    layer.eval()
    x = maps(5, seed=9)
    alone = torch.cat([layer(image[None]) for image in x])
    torch.testing.assert_close(layer(x), alone)
    assert (layer(x) - layer.train()(x)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("x", [torch.ones(2, 16, 3, 3), torch.zeros(2, 16, 1, 1), torch.randn(2, 16, 1, 2)])
def test_gradients_stay_finite_on_degenerate_maps(kind: str, x: Tensor) -> None:
    x = x.clone().requires_grad_()
    layer = SwitchableWhitening(16, kind)
    y = layer(x)
    y.square().sum().backward()
    assert y.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in (x, *layer.parameters()))


def test_dtype_and_memory_order_stay_and_statistics_are_float32() -> None:
    x = maps(4, 16).float().contiguous(memory_format=torch.channels_last)
    layer = SwitchableWhitening(16, "sw2")
    expected = copy.deepcopy(layer)(x.bfloat16().float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, expected.bfloat16())
    assert layer.running_covariance.dtype == torch.float32


@pytest.mark.parametrize("arch", TORCHVISION)
def test_the_published_layers_are_replaced(arch: str) -> None:
    with torch.device("meta"):
        network = build_backbone(arch, "small", 64, norm=switchable_norm("sw2"))
        plain = torchvision.models.get_model(arch, weights=None)
    found = [name for name, m in network.named_modules() if isinstance(m, SwitchableWhitening)]
    norm = "bn1" if arch in ("resnet18", "resnet34") else "bn2"
    blocks = {
        stage: len(list(plain.get_submodule(stage).children())) for stage in ("layer1", "layer2", "layer3")
    }
    expected = [f"{stage}.{i}.{norm}" for stage, n in blocks.items() for i in range(1, n, 2)]
    assert found == ["bn1", *expected]
    assert {"resnet18": 4, "resnet50": 7}.get(arch, len(found)) == len(found)
    for layer in found:
        assert network.get_parameter(f"{layer}.weight").shape == plain.get_parameter(f"{layer}.weight").shape


def test_importance_names_each_layer() -> None:
    network = build_backbone("resnet18", "cifar", 32, norm=switchable_norm("sw3", tied=True))
    importance = importance_of(network)
    assert [one.layer for one in importance] == ["bn1", "layer1.1.bn1", "layer2.1.bn1", "layer3.1.bn1"]
    assert importance[0].statistics == ("BW", "IW", "LN")
    assert importance[0].means == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert importance[0].covariances == importance[0].means
    assert importance_of(build_backbone("cifar_resnet8")) == ()


def test_a_checkpoint_restores_everything() -> None:
    one, other = layer_of("sw5"), layer_of("sw5", seed=2)
    one(maps())
    other.load_state_dict(one.state_dict())
    x = maps(seed=4)
    assert torch.equal(one.eval()(x), other.eval()(x))
    assert torch.equal(one.train()(x), other.train()(x))


def test_unsuitable_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sw2, sw3, sw5, not 'sw4'"):
        SwitchableWhitening(16, "sw4")
    with pytest.raises(ValueError, match="20 channels cannot be divided into groups of 16"):
        SwitchableWhitening(20, "sw2")
    with pytest.raises(ValueError, match="not for cifar_resnet8"):
        build_backbone("cifar_resnet8", norm=switchable_norm("sw2"))
