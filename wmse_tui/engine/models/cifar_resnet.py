"""The small ResNets for CIFAR images (He, Zhang, Ren, Sun: Deep Residual Learning, CVPR 2016, §4.2).

A 3x3 convolution, then three stages of n blocks with 16, 32 and 64 channels at full, half and quarter
resolution, 6n + 2 layers with the classifier (which is left off here). Shortcuts between stages have no
parameters (option A): every other pixel, and zeros for the new channels.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

WIDTHS = (16, 32, 64)


class CifarResNet(nn.Module):
    """Images (batch, 3, height, width) to features (batch, 64), for `depth` = 6n + 2 layers."""

    feature_dim = WIDTHS[-1]

    def __init__(self, depth: int) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if blocks < 1 or rest:
            raise ValueError(f"a CIFAR ResNet has 6n + 2 layers (8, 14, 20, ...), not {depth}")
        self.stem = nn.Sequential(_conv(3, WIDTHS[0]), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU(inplace=True))
        self.stages = nn.Sequential()
        before = WIDTHS[0]
        for width in WIDTHS:
            first = Block(before, width, stride=1 if width == before else 2)
            self.stages.append(nn.Sequential(first, *(Block(width, width) for _ in range(blocks - 1))))
            before = width
        self.fc: nn.Module = nn.Identity()  # torchvision's name for what comes after the average
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # as torchvision's ResNets, and the paper
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        maps = cast("Tensor", self.stages(self.stem(images)))
        return cast("Tensor", self.fc(maps.mean((2, 3))))


class Block(nn.Module):
    """Two 3x3 convolutions with BatchNorm, added to the (subsampled, zero-padded) input."""

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            _conv(before, width, stride),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            _conv(width, width),
            nn.BatchNorm2d(width),
        )
        self.stride, self.new_channels = stride, width - before

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.stride > 1 or self.new_channels:
            shortcut = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))
        return torch.relu(self.residual(x) + shortcut)


def _conv(before: int, width: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, width, kernel_size=3, stride=stride, padding=1, bias=False)
