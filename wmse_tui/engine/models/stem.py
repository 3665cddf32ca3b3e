"""Stems: the first layers of a torchvision ResNet, as the image size wants them (W-MSE paper's code)."""

from __future__ import annotations

from torch import nn

from wmse_tui.config.sections.backbone import Stem


def set_stem(network: nn.Module, stem: Stem) -> None:
    """Give a torchvision ResNet its stem.

    imagenet leaves the 7x7 convolution of stride 2 and the max-pool; small has 3x3 of stride 1 and the
    max-pool; cifar has 3x3 of stride 1 and no max-pool. A new convolution has torch's default initialisation,
    as in the reference.
    """
    if stem != "imagenet":
        network.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
    if stem == "cifar":
        network.maxpool = nn.Identity()
