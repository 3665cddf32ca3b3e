"""A dry run of one training step: its operations and its memory, counted exactly without computing anything.

The networks are built without values (on torch's "meta" device), then every tensor of the step is a fake
one: it has a shape, a precision and a device, and no data. So a ResNet-50 on a batch of 512 photographs
costs about a second and no memory; and loss, autocast and what autograd saves for the backward pass are those
of the trainer, because it is the same code. A value that the code reads ("is any factorisation unusable?") is
zero: no.

Of several ranks one is simulated, which computes the loss of the whole batch: what it would receive from the
others has a shape too.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.distribution.collectives import simulated_ranks
from wmse_tui.engine.distribution.global_batch_norm import share_batch_norms
from wmse_tui.engine.distribution.ranks import average
from wmse_tui.engine.methods import Method, build_method

aten = torch.ops.aten
RELEVANT_OPTIONS: Any = {
    "dataset": {"crop"},
    "augmentation": {"views"},
    "backbone": True,
    "projector": True,
    "method": True,
    "schedule": {"batch_size"},
    "compute": {"precision"},
}
"""The options on which a step's operations and memory depend; an IncEx of pydantic."""

READ_VALUE = aten._local_scalar_dense.default  # noqa: SLF001  (the operator is called so)
CONVOLUTIONS = (aten.convolution.default, aten.convolution_backward.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The operations and the memory of one step.

    Args:
        feature_dim: dimensions of the encoder's features.
        encoder_parameters: of the network that is evaluated and exported.
        head_parameters: of all else that learns: projector, predictor.
        target_parameters: of copies that follow without learning (BYOL).
        encoder_flops, head_flops: of one view, forward; a multiply-add counts as two, and only convolutions
            and matrix products count.
        step_flops: of all views, forward and backward, targets and loss included.
        weights: bytes of all parameters and buffers.
        gradients: bytes of the gradients.
        activations: bytes that the step holds at its peak beyond weights and views.
        views: bytes of the batch of views.
        workspace: bytes of operands and results of the largest convolution, of which a library may make
            copies in a layout of its own.
        traffic: bytes that the operations of a step read and write, each operand and each result once.
    """

    feature_dim: int
    encoder_parameters: int
    head_parameters: int
    target_parameters: int
    encoder_flops: float
    head_flops: float
    step_flops: float
    weights: int
    gradients: int
    activations: int
    views: int
    workspace: int
    traffic: int


CACHED = 32
_cached: OrderedDict[str, DryRun] = OrderedDict()


def dry_run(experiment: Experiment, *, check: Callable[[], None], ranks: int = 1) -> DryRun:
    """As `simulate_step`, cached for experiments that differ in no relevant option."""
    key = f"{ranks} {experiment.model_dump_json(include=RELEVANT_OPTIONS)}"
    if key not in _cached:
        _cached[key] = simulate_step(experiment, check=check, ranks=ranks)
        while len(_cached) > CACHED:
            _cached.popitem(last=False)
    return _cached[key]


def simulate_step(experiment: Experiment, *, check: Callable[[], None], ranks: int = 1) -> DryRun:
    """Count one training step of an experiment.

    Args:
        check: called at each convolution; may raise.
        ranks: among which the batch is divided; where they are several, the step is the part of one.
    """
    with torch.device("meta"):
        method = build_method(experiment)
    if ranks > 1:
        share_batch_norms(method)
    crop, images = experiment.dataset.crop, experiment.schedule.batch_size // ranks
    with FakeTensorMode(allow_non_fake_inputs=True):  # the loss draws small real tensors of its own
        method.to_empty(device="cpu")
        views = torch.empty(experiment.augmentation.views, images, 3, crop, crop)
    counter, counted = FlopCounterMode(display=False, depth=2), ByteCounter(check)
    several = simulated_ranks(ranks) if ranks > 1 else nullcontext()
    with several, counter, counted:
        weights = counted.add(*method.parameters(), *method.buffers())
        batch = counted.add(views)
        bfloat16 = experiment.compute.precision == "bfloat16"
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            losses = method(views, step_key=(experiment.seed, 1))
        forward = _flops_of_children(counter, method)
        losses.total.backward()
        if ranks > 1:
            average([parameter.grad for parameter in method.parameters() if parameter.grad is not None])
    parameters = _sizes_of_children(method)
    count = views.shape[0] * views.shape[1]
    trained = method.trainable_parameters()
    encoder = parameters.pop("encoder")
    heads = {name for name, (_, learns) in parameters.items() if learns}
    return DryRun(
        feature_dim=method.encoder.feature_dim,
        encoder_parameters=encoder[0],
        head_parameters=sum(parameters[name][0] for name in heads),
        target_parameters=sum(size for name, (size, _) in parameters.items() if name not in heads),
        encoder_flops=forward.get("encoder", 0) / count,
        head_flops=sum(forward.get(name, 0) for name in heads) / count,
        step_flops=float(counter.get_total_flops()),
        weights=weights,
        gradients=sum(parameter.nbytes for parameter in trained),
        activations=counted.peak - weights - batch,
        views=batch,
        workspace=counted.largest,
        traffic=counted.traffic,
    )


class ByteCounter(TorchDispatchMode):
    """Counts the bytes of the fake tensors that exist, and returns zero for their values.

    Attributes:
        held: bytes now.
        peak: the most so far.
        largest: bytes of operands and results of the largest convolution.
        traffic: bytes of operands and results of all operations but views of a tensor.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held = self.peak = self.largest = self.traffic = 0
        self._check = check
        self._storages: dict[int, int] = {}

    def add(self, *tensors: Tensor) -> int:
        """Count tensors; returns the bytes that are new. Tensors that share their memory count once."""
        before = self.held
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = id(storage)  # the same as long as any tensor has it
            if isinstance(tensor, FakeTensor) and key not in self._storages:
                self._storages[key] = storage.nbytes()
                self.held += storage.nbytes()
                weakref.finalize(storage, self._remove, key)
        self.peak = max(self.peak, self.held)
        return self.held - before

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in CONVOLUTIONS:  # others (the device of a tensor) may run where nothing must raise
            self._check()
        if func is READ_VALUE and isinstance(args[0], FakeTensor):
            return 0
        result = func(*args, **(kwargs or {}))
        tensors = _tensors(result)
        self.add(*tensors)
        if not func.is_view:
            moved = sum(tensor.nbytes for tensor in (*_tensors(args), *tensors))
            self.traffic += moved
            if func in CONVOLUTIONS:
                self.largest = max(self.largest, moved)
        return result

    def _remove(self, key: int) -> None:
        self.held -= self._storages.pop(key, 0)


def _tensors(values: Any) -> tuple[Tensor, ...]:
    if isinstance(values, Tensor):
        return (values,)
    if isinstance(values, tuple | list):
        return tuple(value for value in values if isinstance(value, Tensor))
    return ()


def _flops_of_children(counter: FlopCounterMode, method: Method) -> dict[str, int]:
    """So far, by the name of the method's part."""
    counts = counter.get_flop_counts()
    root = type(method).__name__
    return {name: sum(counts[f"{root}.{name}"].values()) for name, _ in method.named_children()}


def _sizes_of_children(method: Method) -> dict[str, tuple[int, bool]]:
    """The parameters of each part of a method, and whether they learn."""
    return {name: _size(part) for name, part in method.named_children()}


def _size(part: nn.Module) -> tuple[int, bool]:
    parameters = list(part.parameters())
    return sum(p.numel() for p in parameters), any(p.requires_grad for p in parameters)
