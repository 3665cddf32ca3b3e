"""A whole step as one CUDA graph: recorded once, then replayed with other numbers in the same memory.

Launching the thousand kernels of a small step costs the host more than they cost the device; a graph is
launched at once. It repeats what it recorded, on the same memory. So all that differs from step to step is
copied into fixed tensors before each replay: the views, the random choices, the learning
rates, and the `target_rate` of a method. All else is on the device already: weights, the state of
the optimiser, and the mark of a loss that was not finite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from wmse_tui.engine.distribution.ranks import ALONE, Ranks
from wmse_tui.engine.methods import Losses, Method, StepKey
from wmse_tui.engine.recording import CudaGraphs, Recorder, first_cause, first_lines
from wmse_tui.engine.training.batch_counters import BatchCounters
from wmse_tui.engine.training.optimizers import set_rates, step_unless_nonfinite
from wmse_tui.engine.training.stepping import Autocast, EagerStepper, Stepper
from wmse_tui.engine.transfer import FixedTensors

WARM_UP = 3
"""Steps before one is recorded: libraries choose their algorithms in them, optimisers make their state."""

Compute: TypeAlias = Callable[[], Losses]


def stepper(
    mode: str,
    method: Method,
    optimizer: torch.optim.Optimizer,
    autocast: Autocast,
    device: torch.device,
    *,
    phase: Callable[[str], None],
    notify: Callable[[str, bool], None],
    ranks: Ranks = ALONE,
) -> Stepper:
    """The stepper of a run: a `StepGraph` where that is requested and the device is a GPU.

    Args:
        mode: `compute.compile`.
        method, optimizer, autocast, phase, notify: as of `StepGraph`.
        device: that trains.
        ranks: as of `EagerStepper`; compiled steps are of one.
    """
    if mode == "graph":
        if device.type == "cuda":
            return StepGraph(
                method, optimizer, autocast, recorder=CudaGraphs(device), phase=phase, notify=notify
            )
        notify(f"steps run as written: CUDA graphs need a GPU, and this is the {device.type.upper()}", True)
    return EagerStepper(method, optimizer, autocast, ranks=ranks)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What differs from step to step, in fixed tensors; all but the views are parts of `numbers`."""

    views: Tensor
    numbers: FixedTensors
    drawn: dict[str, Tensor]
    rates: list[Tensor]
    target_rate: Tensor


def _fixed_inputs(views: Tensor, names: Sequence[str], numbers: Sequence[Tensor]) -> Inputs:
    """Memory on the device for inputs like these: named draws, learning rates, the target rate."""
    fixed = FixedTensors(numbers, views.device)
    parts = fixed.parts
    drawn = dict(zip(names, parts, strict=False))
    return Inputs(torch.empty_like(views), fixed, drawn, list(parts[len(names) : -1]), parts[-1])


class StepGraph:
    """A `Stepper`. The first steps run as written, the next one is recorded, all others are replayed.

    Where a step cannot be recorded, that is reported and all steps run as written.

    Args:
        method, optimizer, autocast: as of `EagerStepper`.
        recorder: of the device.
        phase: called when the recording begins ("graph") and when it is over ("train").
        notify: called with the outcome: a text, and whether it is less than was requested.
    """

    def __init__(
        self,
        method: Method,
        optimizer: torch.optim.Optimizer,
        autocast: Autocast,
        *,
        recorder: Recorder[Losses],
        phase: Callable[[str], None],
        notify: Callable[[str, bool], None],
    ) -> None:
        self._method = method
        self._optimizer = optimizer
        self._autocast = autocast
        self._counters = BatchCounters(method)
        self._recorder = recorder
        self._phase = phase
        self._notify = notify
        self._inputs: Inputs | None = None
        self._to_warm_up = WARM_UP
        self._step: Compute | None = None

    def __call__(self, views: Tensor, *, step_key: StepKey, lr: float, progress: float) -> Losses:
        set_rates(self._optimizer, lr)  # numbers, for the checkpoints
        drawn = self._method.draw(*views.shape[:2], step_key=step_key)
        rates = [
            torch.tensor(group["lr"], dtype=self._recorder.rate_dtype)
            for group in self._optimizer.param_groups
        ]
        numbers = (*drawn.values(), *rates, torch.tensor(self._method.target_rate(progress)))
        with self._recorder.on_stream():
            if self._inputs is None:
                self._inputs = _fixed_inputs(views, tuple(drawn), numbers)
            self._inputs.views.copy_(views)
            self._inputs.numbers.fill(numbers)
            return self._next()()

    def _next(self) -> Compute:
        """The next step: as written or replayed."""
        if self._step is not None:
            return self._step
        if self._to_warm_up:
            self._to_warm_up -= 1
            return self._compute if self._to_warm_up else self._watched
        self._phase("graph")
        began = time.monotonic()
        step = self._compute
        try:
            step = self._recorder.record(self._compute)
        except Exception as error:  # noqa: BLE001  whatever cannot be recorded still runs as written
            self._optimizer.zero_grad(set_to_none=True)
            self._fall_back(first_lines(first_cause(error)))
        else:
            self._step = step
            spent = time.monotonic() - began
            self._notify(f"a step was recorded in {spent:.1f} s, and is replayed as one CUDA graph", False)
        self._phase("train")
        return step

    def _watched(self) -> Losses:
        """The last step before the recording; it shows whether a step can be recorded."""
        with SyncDetector(self._recorder) as detector:
            losses = self._compute()
        if detector.found:
            self._fall_back(
                f"these operations synchronise with the device: {', '.join(sorted(detector.found))}"
            )
        return losses

    def _fall_back(self, why: str) -> None:
        self._step = self._compute
        self._notify(f"steps run as written, because one cannot be recorded as a CUDA graph: {why}", True)

    def _compute(self) -> Losses:
        """A step on the fixed inputs, by operations of the device alone."""
        inputs = self._inputs
        assert inputs is not None
        with self._autocast(), self._counters.counted():
            losses = self._method.losses(inputs.views, inputs.drawn)
        losses.total.backward()
        with _rates_on_device(self._optimizer, inputs.rates):
            step_unless_nonfinite(self._optimizer, losses.total)
        self._optimizer.zero_grad(set_to_none=True)
        self._method.update_target(inputs.target_rate)
        return Losses(losses.total.detach(), losses.parts, losses.embeddings)


class SyncDetector(TorchDispatchMode):
    """Records the operations of a block that synchronise with the device.

    Attributes:
        found: their names.
    """

    def __init__(self, recorder: Recorder[Losses]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: set[str] = set()
        self._recorder = recorder

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        read_back = isinstance(result, Tensor) and result.device.type == "cpu" and _on_gpu(args)
        if read_back or self._recorder.synchronises(func.name(), args):
            self.found.add(func.name().removeprefix("aten::"))
        return result


def _on_gpu(arguments: Iterable[Any]) -> bool:
    return any(isinstance(one, Tensor) and one.is_cuda for one in arguments)


@contextmanager
def _rates_on_device(optimizer: torch.optim.Optimizer, rates: list[Tensor]) -> Iterator[None]:
    """Within this block the optimiser reads its learning rates from `rates`, one for each group."""
    before = [dict(group) for group in optimizer.param_groups]
    recording = rates[0].is_cuda and torch.cuda.is_current_stream_capturing()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
        if recording and "capturable" in group:  # its state is on the device, as that of all fused ones is
            group["capturable"] = True
    try:
        yield
    finally:
        for group, old in zip(optimizer.param_groups, before, strict=True):
            group.update(old)
