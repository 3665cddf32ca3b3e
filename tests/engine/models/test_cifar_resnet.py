"""The CIFAR ResNets against He et al. 2016: layers, parameters, resolutions, shortcuts without parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wmse_tui.engine.models.cifar_resnet import Block, CifarResNet

CLASSIFIER = 64 * 10 + 10


# He et al. 2016, table 6, in millions, with the 10-way classifier; ResNet-8 is not in it and counted by hand:
# 464 for the stem, then 2 (16·16·9 + 32), 32·16·9 + 32·32·9 + 128, 64·32·9 + 64·64·9 + 256
@pytest.mark.parametrize(
    ("depth", "millions", "exact"),
    [(8, 0.08, 464 + 4_672 + 13_952 + 55_552), (20, 0.27, 269_072), (32, 0.46, None), (56, 0.85, None)],
)
def test_parameters_are_as_many_as_in_the_paper(depth: int, millions: float, exact: int | None) -> None:
    count = sum(p.numel() for p in CifarResNet(depth).parameters())
    assert abs((count + CLASSIFIER) / 1e6 - millions) < 0.01
    assert exact in (None, count)


@pytest.mark.parametrize("depth", [8, 20, 32, 56])
def test_depth_counts_convolutions_and_the_missing_classifier(depth: int) -> None:
    convolutions = [m for m in CifarResNet(depth).modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) + 1 == depth
    assert all(c.kernel_size == (3, 3) and c.bias is None for c in convolutions)


@pytest.mark.parametrize("depth", [2, 9, 18])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"has 6n \+ 2 layers \(8, 14, 20, ...\), not {depth}"):
        CifarResNet(depth)


def test_stages_halve_the_maps_and_double_the_channels() -> None:
    network = CifarResNet(8)
    x = network.stem(torch.zeros(1, 3, 32, 32))
    shapes = [x.shape[1:]]
    for stage in network.stages:
        x = stage(x)
        shapes.append(x.shape[1:])
    assert shapes == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8)]


@pytest.mark.parametrize("size", [8, 9])
def test_a_shortcut_has_every_other_pixel_and_zeros_for_new_channels(size: int) -> None:
    block = Block(16, 32, stride=2)
    last = block.residual[-1]
    assert isinstance(last, nn.BatchNorm2d)
    nn.init.zeros_(last.weight)  # the residual is 0: what is left is the shortcut
    x = torch.rand(2, 16, size, size, generator=torch.Generator().manual_seed(0))
    y = block(x)
    assert torch.equal(y[:, :16], x[:, :, ::2, ::2])
    assert not y[:, 16:].any()


def test_a_block_that_keeps_its_width_adds_its_input() -> None:
    block = Block(16, 16).eval()
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(x), torch.relu(block.residual(x) + x))
