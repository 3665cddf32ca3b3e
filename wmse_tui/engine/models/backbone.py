"""Backbones: the encoders that are trained, evaluated and exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

import torchvision
from torch import nn

from wmse_tui.config.sections.backbone import Architecture, resolve_stem
from wmse_tui.engine.models.cifar_resnet import CifarResNet
from wmse_tui.engine.models.encoder_whitening import EncoderOperator, EncoderWhitening
from wmse_tui.engine.models.stem import set_stem
from wmse_tui.engine.models.switchable_whitening import set_norm

CIFAR = {"cifar_resnet8": 8, "cifar_resnet20": 20, "cifar_resnet32": 32, "cifar_resnet56": 56}
TORCHVISION = tuple(name for name in get_args(Architecture) if name not in CIFAR)


class Encoder(nn.Module):
    """The interface of an encoder: images (batch, 3, height, width) to features (batch, `feature_dim`)."""

    feature_dim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchableNorm:
    """The norms of a ResNet that are switchable whitening; see `set_norm`."""

    kind: str
    width: int
    steps: int
    tied: bool
    momentum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWhitening:
    """The whitening layer at the end of an encoder; see `EncoderWhitening`."""

    operator: EncoderOperator
    eps: float
    groups: int
    steps: int
    momentum: float


def build_backbone(
    arch: str,
    stem: str = "auto",
    crop: int = 32,
    *,
    norm: SwitchableNorm | None = None,
    whitening: LastWhitening | None = None,
) -> Encoder:
    """A fresh encoder, in training mode, initialised from torch's default generator.

    Features are the globally averaged last maps; the classifier is removed, and a whitening layer may replace
    it (`fc`). The names in the state_dict of a torchvision network are torchvision's own, so
    weights can be carried over.

    Args:
        arch: one of `TORCHVISION` or `CIFAR`.
        stem, crop: see `resolve_stem`.
        norm: switchable whitening in place of some norms; None: BatchNorm everywhere.
        whitening: the last layer; None: the features as they are.

    Raises:
        ValueError: an unknown architecture, a stem that it cannot have, a norm for a network that is not
            torchvision's, or groups that do not fit.
    """
    if arch in CIFAR:
        resolve_stem(stem, arch, crop)
        if norm is not None:
            raise ValueError(f"switchable whitening is for torchvision's ResNets, not for {arch}")
        small = CifarResNet(CIFAR[arch])
        small.fc = _last(whitening, small.feature_dim)
        return cast("Encoder", small)
    if arch not in TORCHVISION:
        raise ValueError(f"unknown backbone {arch!r}; there are {', '.join((*TORCHVISION, *CIFAR))}")
    network = torchvision.models.get_model(arch, weights=None)
    network.feature_dim = network.fc.in_features
    network.fc = _last(whitening, network.feature_dim)
    set_stem(network, resolve_stem(stem, arch, crop))
    if norm is not None:
        set_norm(
            network, norm.kind, width=norm.width, steps=norm.steps, tied=norm.tied, momentum=norm.momentum
        )
    return cast("Encoder", network)


def _last(whitening: LastWhitening | None, dim: int) -> nn.Module:
    if whitening is None:
        return nn.Identity()
    return EncoderWhitening(
        dim,
        operator=whitening.operator,
        eps=whitening.eps,
        groups=whitening.groups,
        steps=whitening.steps,
        momentum=whitening.momentum,
    )
