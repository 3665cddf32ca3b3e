"""Several calls of one network, whose weights are cast once and whose gradients are added at once.

A network that sees one view at a time is called once for each. torch then casts each weight to the precision
of autocast by itself, adds the gradients of the calls weight by weight, and casts each sum back: for two
calls of a ResNet-18 a hundred launches that compute next to nothing. Here each of these is done for all
weights together, with the same results to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call

from wmse_tui.engine.distribution.gather import world_size
from wmse_tui.engine.models.joint_calls import BatchNormOfCalls, joint_calls
from wmse_tui.engine.models.switchable_whitening import SwitchableWhitening


def call_each(network: nn.Module, views: Tensor) -> Tensor:
    """`network` of each of `views` (views, batch, 3, height, width), stacked: (views, batch, features).

    As written on a CPU, where launches cost nothing, for compiled networks, which cast by themselves, and
    where several ranks share the batch.
    Switchable whitening costs more launches than all else, so a network that has it is called once.
    """
    compiled = network._compiled_call_impl is not None  # noqa: SLF001  what `compile` sets
    if not views.is_cuda or compiled or world_size() > 1:
        return torch.stack([network(view) for view in views])
    if any(isinstance(module, SwitchableWhitening) for module in network.modules()):
        return call_jointly(network, views)
    return call_with_shared_weights(network, views)


def call_jointly(network: nn.Module, views: Tensor) -> Tensor:
    """As `call_each`, on any device, for a network all of whose norms are `JointlyCalled`."""
    weights, images = _shared(network, views)
    norms = [(name, norm) for name, norm in network.named_modules() if isinstance(norm, BatchNormOfCalls)]
    with joint_calls(network, len(views)):
        for name, norm in norms:
            norm.parameters_of_calls = [(own[f"{name}.weight"], own[f"{name}.bias"]) for own in weights]
        try:
            features: Tensor = functional_call(network, weights[0], (images,))
        finally:
            for _, norm in norms:
                norm.parameters_of_calls = None
    return features.view(*views.shape[:2], -1)


def call_with_shared_weights(network: nn.Module, views: Tensor) -> Tensor:
    """As `call_each`, on any device. The first layer is a convolution, with weights in channels_last."""
    weights, images = _shared(network, views)
    each = zip(weights, images.chunk(len(views)), strict=True)
    return torch.stack([functional_call(network, own, (view,)) for own, view in each])


def _shared(network: nn.Module, views: Tensor) -> tuple[list[dict[str, Tensor]], Tensor]:
    """The parameters for each of `views`, by name, see `SharedWeights`; and all views (views * batch, ...).

    The views are made what the first convolution reads in one copy.
    """
    names, weights = zip(*network.named_parameters(), strict=True)
    dtypes = _dtypes_under_autocast(network, views.device.type)
    shared = SharedWeights.apply(len(views), [dtypes.get(name) for name in names], *weights)
    dtype = next(iter(dtypes.values()), views.dtype)
    images = views.flatten(0, 1).to(dtype, memory_format=torch.channels_last)
    count = len(names)
    return [dict(zip(names, shared[i * count :], strict=False)) for i in range(len(views))], images


def _dtypes_under_autocast(network: nn.Module, device_type: str) -> dict[str, torch.dtype]:
    """The parameters that autocast would cast, and to what."""
    if not torch.is_autocast_enabled(device_type):
        return {}
    return {
        f"{prefix}.{name}" if prefix else name: torch.get_autocast_dtype(device_type)
        for prefix, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        for name, _ in module.named_parameters(recurse=False)
    }


class SharedWeights(torch.autograd.Function):
    """(number of calls, dtypes, *weights) -> the weights of the first call, of the second, and so on.

    A weight whose dtype is not None is cast to it. Gradients are added in the dtype in which they come, those
    of the last call first, as automatic differentiation adds them.
    """

    @staticmethod
    def forward(
        ctx: Any, calls: int, dtypes: list[torch.dtype | None], *weights: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.calls = calls
        ctx.dtypes = [weight.dtype for weight in weights]
        ctx.set_materialize_grads(False)
        cast = _cast(weights, dtypes)
        return tuple(weight.view_as(weight) for _ in range(calls) for weight in cast)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        count = len(ctx.dtypes)
        sums: list[Any] = list(gradients[-count:])
        for call in range(ctx.calls - 2, -1, -1):
            more: Any = gradients[call * count : (call + 1) * count]
            added = [i for i in range(count) if sums[i] is not None and more[i] is not None]
            for group in _by_dtype(sums, added):
                results = torch._foreach_add([sums[i] for i in group], [more[i] for i in group])  # noqa: SLF001
                for i, result in zip(group, results, strict=True):
                    sums[i] = result
            sums = [other if one is None else one for one, other in zip(sums, more, strict=True)]
        return None, None, *_cast(sums, ctx.dtypes)


def _cast(tensors: Sequence[Any], dtypes: Sequence[torch.dtype | None]) -> list[Any]:
    """`tensors`, each in its dtype; None stays None, and a tensor without a dtype as it is."""
    result = list(tensors)
    needed = [
        i
        for i, (tensor, dtype) in enumerate(zip(tensors, dtypes, strict=True))
        if tensor is not None and dtype is not None and tensor.dtype != dtype
    ]
    for group in _by_dtype(tensors, needed):
        made = [torch.empty_like(tensors[i], dtype=dtypes[i]) for i in group]
        torch._foreach_copy_(made, [tensors[i] for i in group])
        for i, tensor in zip(group, made, strict=True):
            result[i] = tensor
    return result


def _by_dtype(tensors: Sequence[Any], indices: Iterable[int]) -> list[list[int]]:
    """`indices` in groups whose tensors have the same dtype: only such are computed at once."""
    groups: dict[torch.dtype, list[int]] = {}
    for i in indices:
        groups.setdefault(tensors[i].dtype, []).append(i)
    return list(groups.values())
