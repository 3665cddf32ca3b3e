"""Stems: the first layers of a torchvision ResNet, as the image size wants them (W-MSE paper's code)."""

from __future__ import annotations

from typing import Literal

from torch import nn

Stem = Literal["imagenet", "small", "cifar"]
STEMS: tuple[Stem, ...] = ("imagenet", "small", "cifar")


def resolve_stem(stem: str, arch: str, crop: int) -> Stem:
    """The stem that `arch` gets for training images of `crop` x `crop` pixels.

    "auto" takes cifar up to 32 px, imagenet from 128 px, small between. The CIFAR ResNets always have their
    own, which is of the cifar kind (3x3, no max-pool).

    Raises:
        ValueError: an unknown stem, or one asked of a CIFAR ResNet.
    """
    if arch.startswith("cifar_"):
        if stem != "auto":
            raise ValueError(f"{arch} has a stem of its own, not {stem!r}; take 'auto'")
        return "cifar"
    if stem == "auto":
        return "cifar" if crop <= 32 else "imagenet" if crop >= 128 else "small"
    if stem not in STEMS:
        raise ValueError(f"stem must be 'auto', {', '.join(map(repr, STEMS))}, not {stem!r}")
    return stem


def set_stem(network: nn.Module, stem: Stem) -> None:
    """Give a torchvision ResNet its stem.

    imagenet leaves the 7x7 convolution of stride 2 and the max-pool; small takes 3x3 of stride 1 and keeps
    the max-pool; cifar takes 3x3 of stride 1 and drops the max-pool. A new convolution
    keeps torch's default initialisation, as in the reference.
    """
    if stem != "imagenet":
        network.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
    if stem == "cifar":
        network.maxpool = nn.Identity()
