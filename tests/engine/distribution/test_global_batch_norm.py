"""BatchNorm over the global batch is torch's BatchNorm of the whole batch."""

from __future__ import annotations

import copy

import pytest
import torch
from forked_ranks import ForkedRanks
from torch import Tensor, nn

from wmse_tui.engine.distribution.gather import gather
from wmse_tui.engine.distribution.global_batch_norm import share_batch_norms
from wmse_tui.engine.distribution.ranks import ALONE, Ranks

LAYERS = {
    "2-D": (nn.BatchNorm1d(6), (8, 6), torch.float64, 1e-12),
    "3-D": (nn.BatchNorm1d(6, momentum=None), (8, 6, 5), torch.float64, 1e-12),
    "4-D": (nn.BatchNorm2d(6), (8, 6, 3, 2), torch.float64, 1e-12),
    "channels last": (nn.BatchNorm2d(6), (8, 6, 3, 2), torch.float64, 1e-12),
    "no weights": (nn.BatchNorm2d(6, affine=False), (8, 6, 3, 2), torch.float64, 1e-12),
    "no averages": (nn.BatchNorm2d(6, track_running_stats=False), (8, 6, 3, 2), torch.float64, 1e-12),
    "float32": (nn.BatchNorm2d(6), (8, 6, 3, 2), torch.float32, 1e-5),
    "bfloat16": (nn.BatchNorm2d(6), (8, 6, 3, 2), torch.bfloat16, 2e-2),
}


def results(ranks: Ranks, name: str) -> list[Tensor]:
    """Outputs, gradients of inputs and weights, and averages."""
    layer, shape, dtype, _ = LAYERS[name]
    network = copy.deepcopy(nn.Sequential(layer))
    network.to(torch.float64 if dtype == torch.float64 else torch.float32)
    if ranks.world > 1:
        share_batch_norms(network)
    x = 3 + torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    if name == "channels last":
        x = x.to(memory_format=torch.channels_last)
    own = x.chunk(ranks.world)[ranks.rank].to(dtype).requires_grad_()
    with ranks.shared_step():
        y = gather(network(own), 0)
        assert y.dtype == dtype
        y.double().cumsum(0).sin().sum().backward()
        assert own.grad is not None
        inputs = gather(own.grad, 0) / ranks.world
    if list(network.parameters()):
        ranks.mean_gradients(network.parameters())
    return [y, inputs, *(p.grad for p in network.parameters() if p.grad is not None), *network.buffers()]


@pytest.mark.parametrize("ranks", [2], indirect=True)
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_gradients_and_averages_are_those_of_the_whole_batch(name: str, ranks: ForkedRanks) -> None:
    bound = LAYERS[name][-1]
    for one, other in zip(ranks.run(results, name), results(ALONE, name), strict=True):
        torch.testing.assert_close(one, other, rtol=bound, atol=bound)


def test_alone_and_in_evaluation_it_is_the_layer_that_it_was() -> None:
    x = torch.randn(8, 6)
    layer, shared = nn.BatchNorm1d(6), nn.Sequential(nn.BatchNorm1d(6))
    share_batch_norms(shared)
    assert list(shared.state_dict()) == [f"0.{name}" for name in layer.state_dict()]
    assert torch.equal(shared(x), layer(x))
    assert torch.equal(shared.eval()(x), layer.eval()(x))
