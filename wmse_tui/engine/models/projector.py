"""The projector: the head between encoder and loss, which is not evaluated."""

from __future__ import annotations

from torch import nn


def build_projector(in_dim: int, *, layers: int, hidden: int, dim: int, batch_norm: bool) -> nn.Sequential:
    """`layers` linear layers from `in_dim` features to `dim` dimensions.

    All but the last are followed by BatchNorm (if `batch_norm`) and ReLU; the last by nothing. Every linear
    layer has a bias, also in front of a BatchNorm, and torch's default initialisation, as in the reference.

    Raises:
        ValueError: fewer than one layer.
    """
    if layers < 1:
        raise ValueError(f"a projector has one layer or more, not {layers}")
    modules: list[nn.Module] = []
    width = in_dim
    for _ in range(layers - 1):
        modules.append(nn.Linear(width, hidden))
        if batch_norm:
            modules.append(nn.BatchNorm1d(hidden))
        modules.append(nn.ReLU(inplace=True))
        width = hidden
    return nn.Sequential(*modules, nn.Linear(width, dim))
