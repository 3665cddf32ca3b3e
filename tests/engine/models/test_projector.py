"""The projector: the configured layers, in order, and nothing behind the last."""

from __future__ import annotations

import pytest
from torch import nn

from wmse_tui.engine.models import build_projector


def described(network: nn.Sequential) -> list[object]:
    return [
        (module.in_features, module.out_features) if isinstance(module, nn.Linear) else type(module).__name__
        for module in network
    ]


def test_the_papers_head_is_linear_batchnorm_relu_linear() -> None:
    head = build_projector(512, layers=2, hidden=1024, dim=64, batch_norm=True)
    assert described(head) == [(512, 1024), "BatchNorm1d", "ReLU", (1024, 64)]
    assert all(module.bias is not None for module in head if isinstance(module, nn.Linear))


def test_one_layer_is_a_linear_map() -> None:
    assert described(build_projector(512, layers=1, hidden=1024, dim=64, batch_norm=True)) == [(512, 64)]


def test_three_layers_without_batch_norm() -> None:
    head = build_projector(8, layers=3, hidden=16, dim=4, batch_norm=False)
    assert described(head) == [(8, 16), "ReLU", (16, 16), "ReLU", (16, 4)]


def test_no_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="a projector has one layer or more, not 0"):
        build_projector(8, layers=0, hidden=16, dim=4, batch_norm=True)
