"""How many batches each BatchNorm, or layer like it, has seen: counted for all layers at once.

torch increments the counter of a layer in each of its calls, one launch each, and nothing reads it while the
momentum is a number. A checkpoint stores it, so its value stays what it would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from wmse_tui.engine.models.running import RunningStatistics


class BatchCounters:
    """The counters of a method's BatchNorms, and of its other layers with `RunningStatistics`.

    The first step runs as torch has it, and shows how often a step calls each layer; that is always the same.
    Compiled networks are left alone: the counters are part of their code.

    Args:
        method: on its device; its networks are compiled before the first step or never.
    """

    def __init__(self, method: nn.Module) -> None:
        self._method = method
        self._norms: list[_BatchNorm | RunningStatistics] = []
        self._calls: list[int] | None = None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Within this block a step's losses are computed, once; the first time this waits for the device."""
        if self._calls is None:
            self._norms = list(_counting(self._method))
            before = self._counters()
            yield
            pairs = zip(self._counters(), before, strict=True)
            changes = [after - earlier for after, earlier in pairs]
            self._calls = torch.stack(changes).tolist() if changes else []
            return
        counters: list[Tensor] = []
        for norm in self._norms:
            assert norm.num_batches_tracked is not None
            counters.append(norm.num_batches_tracked)
            norm.num_batches_tracked = None
        try:
            yield
        finally:
            for norm, counter in zip(self._norms, counters, strict=True):
                norm.num_batches_tracked = counter
            if counters:
                torch._foreach_add_(counters, self._calls)

    def _counters(self) -> list[Tensor]:
        return [
            norm.num_batches_tracked.clone() for norm in self._norms if norm.num_batches_tracked is not None
        ]


def _counting(method: nn.Module) -> Iterator[_BatchNorm | RunningStatistics]:
    """The layers, of networks that run as written, whose counter nothing reads."""
    for network in method.children():
        if network._compiled_call_impl is not None:  # noqa: SLF001  what `compile` sets
            continue
        for module in network.modules():
            if isinstance(module, _BatchNorm | RunningStatistics) and _is_unread(module):
                yield module


def _is_unread(norm: _BatchNorm | RunningStatistics) -> bool:
    return norm.momentum is not None and norm.num_batches_tracked is not None
