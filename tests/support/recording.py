"""A CUDA graph without CUDA: the operations of a step are recorded, and replayed on the same tensors.

As with a graph, no Python code runs at a replay: a number that Python passed to an operation is constant, and
results are in the same memory. What a graph could not record, a value read from the device, must at least be
the same at every replay. Recording performs a step, which a graph does not, so that is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from wmse_tui.engine.methods import Losses, Method

Result = TypeVar("Result")


class Recording(TorchDispatchMode):
    """Records the operations of a block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.namespace != "profiler":
            self.operations.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, before in self.operations:
            _put(func(*args, **kwargs), before)


def _put(new: Any, old: Any) -> None:
    """Copy a result to the memory of the first one; a view, or a result in place, is there already."""
    if isinstance(old, Tensor):
        if new.untyped_storage().data_ptr() != old.untyped_storage().data_ptr():
            old.copy_(new)
    elif isinstance(old, list | tuple):
        for one, other in zip(new, old, strict=True):
            _put(one, other)
    else:
        assert new == old, f"the step depends on {new}, which was {old} when it was recorded"


class Repeated(Generic[Result]):
    """A `Recorder` for the CPU, of work that changes nothing but its results.

    Attributes:
        replays: how often something was replayed.
        synchronising: operations that are to count as such.
    """

    rate_dtype = torch.float64

    def __init__(self) -> None:
        self.replays = 0
        self.synchronising: tuple[str, ...] = ()

    def on_stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    def synchronises(self, operation: str, tensors: Iterable[Any]) -> bool:
        return operation in self.synchronising

    def record(self, compute: Callable[[], Result]) -> Callable[[], Result]:
        with Recording() as recording:
            result = compute()

        def replay() -> Result:
            self.replays += 1
            recording.replay()
            return result

        return replay


class Noted(Repeated[Losses]):
    """A `Recorder` for the CPU, of training steps.

    Args:
        method, optimizer: whose state is restored after the recording.
    """

    def __init__(self, method: Method, optimizer: torch.optim.Optimizer) -> None:
        super().__init__()
        self._method = method
        self._optimizer = optimizer

    def record(self, compute: Callable[[], Losses]) -> Callable[[], Losses]:
        state = [value for each in self._optimizer.state.values() for value in each.values()]
        tensors = [*self._method.state_dict().values(), *filter(torch.is_tensor, state)]
        tensors.append(self._optimizer.found_inf)  # type: ignore[attr-defined]
        before = [tensor.clone() for tensor in tensors]
        replay = super().record(compute)
        for tensor, was in zip(tensors, before, strict=True):
            tensor.copy_(was)
        return replay
