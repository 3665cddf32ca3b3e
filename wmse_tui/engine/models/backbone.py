"""Backbones: the encoders that are trained, evaluated and exported."""

from __future__ import annotations

from typing import cast, get_args

import torchvision
from torch import nn

from wmse_tui.config.sections.backbone import Architecture
from wmse_tui.engine.models.cifar_resnet import CifarResNet
from wmse_tui.engine.models.stem import resolve_stem, set_stem

CIFAR = {"cifar_resnet8": 8, "cifar_resnet20": 20, "cifar_resnet32": 32, "cifar_resnet56": 56}
TORCHVISION = tuple(name for name in get_args(Architecture) if name not in CIFAR)


class Backbone(nn.Module):
    """What is asked of an encoder: images (batch, 3, height, width) to features (batch, `feature_dim`)."""

    feature_dim: int


def build_backbone(arch: str, stem: str = "auto", crop: int = 32) -> Backbone:
    """A fresh encoder, in training mode, initialised from torch's default generator.

    Features are the globally averaged last maps; the classifier is taken off. The names in the state_dict of
    a torchvision network are torchvision's own, so weights can be carried over.

    Args:
        arch: one of `TORCHVISION` or `CIFAR`.
        stem, crop: see `resolve_stem`.

    Raises:
        ValueError: an unknown architecture, or a stem that it cannot have.
    """
    if arch in CIFAR:
        resolve_stem(stem, arch, crop)
        return cast("Backbone", CifarResNet(CIFAR[arch]))
    if arch not in TORCHVISION:
        raise ValueError(f"unknown backbone {arch!r}; there are {', '.join((*TORCHVISION, *CIFAR))}")
    network = torchvision.models.get_model(arch, weights=None)
    network.feature_dim = network.fc.in_features
    network.fc = nn.Identity()
    set_stem(network, resolve_stem(stem, arch, crop))
    return cast("Backbone", network)
