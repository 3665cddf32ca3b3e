"""BatchNorm of groups of images is the formula, group by group, in value, gradient and averages."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.evaluation.batch_norm import calibrated_batch_norm
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.models.grouped_batch_norm import GroupedBatchNorm, use_groups

IMAGES, CHANNELS, GROUP = 12, 5, 4


def layer() -> nn.BatchNorm2d:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(CHANNELS, momentum=0.3).double()
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    return norm


def batch(memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = 3 + torch.randn(IMAGES, CHANNELS, 3, 2, dtype=torch.float64, generator=generator).cumsum(0)
    return x.contiguous(memory_format=memory_format).requires_grad_()


def by_formula(norm: nn.BatchNorm2d, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, and the means over groups of the mean and unbiased variance."""
    groups = x.unflatten(0, (-1, GROUP))  # (groups, images, channels, height, width)
    mean = groups.mean((1, 3, 4), keepdim=True)
    square = (groups - mean).square()
    y = (groups - mean) / (square.mean((1, 3, 4), keepdim=True) + norm.eps).sqrt()
    y = y * norm.weight[:, None, None] + norm.bias[:, None, None]
    values = GROUP * x[0, 0].numel()
    return y.flatten(0, 1), mean.mean((0, 1, 3, 4)), (square.sum((1, 3, 4)) / (values - 1)).mean(0)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_values_gradients_and_averages_are_those_of_the_formula(memory_format: torch.memory_format) -> None:
    plain, x, other = layer(), batch(memory_format), batch()
    grouped = copy.deepcopy(plain)
    use_groups(grouped, GROUP)
    assert isinstance(grouped, GroupedBatchNorm)
    y, (expected, mean, variance) = grouped(x), by_formula(plain, other)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    for output in (y, expected):
        output.cumsum(0).sin().sum().backward()
    for one, another in ((x, other), (grouped.weight, plain.weight), (grouped.bias, plain.bias)):
        torch.testing.assert_close(one.grad, another.grad, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(grouped.running_mean, 0.3 * mean.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grouped.running_var, 0.7 + 0.3 * variance.detach(), rtol=1e-11, atol=1e-11)
    assert grouped.num_batches_tracked == 1


def test_one_group_is_batch_norm_and_evaluation_is_that_of_the_layer() -> None:
    plain, x = layer(), batch().detach()
    grouped = copy.deepcopy(plain)
    use_groups(grouped, IMAGES)
    assert list(grouped.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(grouped(x), plain(x), rtol=1e-12, atol=1e-12)
    for one, other in zip(grouped.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    grouped.load_state_dict(plain.state_dict())
    assert torch.equal(grouped.eval()(x[:5]), plain.eval()(x[:5]))


def test_the_encoder_has_groups_and_its_first_evaluation_needs_none() -> None:
    options = ("backbone.norm_images=16", "dataset.crop=16", "compute.device=cpu")
    method = build_method(load_experiment(preset="quickstart", overrides=options))
    norms = [module for module in method.encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {getattr(norm, "group_images", None) for norm in norms} == {16}
    pixels = torch.randint(0, 255, (7, 3, 16, 16), dtype=torch.uint8)
    images = MemoryImages(name="mine", split="train", pixels=pixels)
    with calibrated_batch_norm(method.encoder, images, mean=[0.5] * 3, std=[0.5] * 3):
        assert norms[0].running_mean is not None
        assert norms[0].running_mean.any()
