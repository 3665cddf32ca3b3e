"""One call of a network for several batches, which are normalised each by itself.

A layer that normalises has to see one batch of images at a time; all others do not care. So the batches can
share the launches of all others, and of a layer that computes the statistics of several batches at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm


@runtime_checkable
class JointlyCalled(Protocol):
    """A layer whose input is `calls` batches of equal size, one after the other."""

    calls: int


@contextmanager
def joint_calls(network: nn.Module, calls: int) -> Iterator[None]:
    """Within this block the input of `network` is so many batches, which its norms do not mix."""
    layers = [module for module in network.modules() if isinstance(module, JointlyCalled)]
    for layer in layers:
        layer.calls = calls
    try:
        yield
    finally:
        for layer in layers:
            layer.calls = 1


def each_by_itself(layer: Callable[[Tensor], Tensor], x: Tensor, calls: int) -> Tensor:
    """`layer` of each of the `calls` batches of `x`, in their order."""
    return layer(x) if calls == 1 else torch.cat([layer(batch) for batch in x.chunk(calls)])


class BatchNormOfCalls(nn.BatchNorm2d):
    """BatchNorm for maps of several batches.

    Attributes:
        calls: see `JointlyCalled`.
        parameters_of_calls: weight and bias for each batch, whose gradients are separate; None: the layer's.
    """

    calls = 1
    parameters_of_calls: list[tuple[Tensor, Tensor]] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.calls == 1 or not self.training:
            return super().forward(x)
        assert self.momentum is not None, "the plain average of all batches is that of single calls"
        parameters = self.parameters_of_calls or [(self.weight, self.bias)] * self.calls
        batches = []
        for batch, (weight, bias) in zip(x.chunk(self.calls), parameters, strict=True):
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
            mean, variance = self.running_mean, self.running_var
            batches.append(batch_norm(batch, mean, variance, weight, bias, True, self.momentum, self.eps))
        return torch.cat(batches)


def use_norms_of_calls(network: nn.Module) -> None:
    """Let every BatchNorm of a new network be one of several batches."""
    for name, norm in list(network.named_modules()):
        if type(norm) is nn.BatchNorm2d:
            parent, _, last = name.rpartition(".")
            replacement = BatchNormOfCalls(norm.num_features, eps=norm.eps, momentum=norm.momentum)
            replacement.load_state_dict(norm.state_dict())
            setattr(network.get_submodule(parent), last, replacement)
