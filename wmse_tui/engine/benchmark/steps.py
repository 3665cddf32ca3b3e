"""A training step and its parts."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from wmse_tui.config.methods import WMse
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.paper_reference import loss_by_loops
from wmse_tui.engine.benchmark.reference_process import ReferenceProcess
from wmse_tui.engine.benchmark.rounds import Quartiles, Row, Stopwatch, time_rounds
from wmse_tui.engine.losses import w_mse_loss
from wmse_tui.engine.profiling.timed_steps import TimedSteps

LOSS_ROUNDS = 8  # a loss takes milliseconds: so many more rounds than a step


def whole_step(
    steps: TimedSteps,
    experiment: Experiment,
    batches: list[Tensor],
    device: torch.device,
    *,
    rounds: int,
    compare: bool,
    note: str = "",
) -> Row:
    """Forward, loss, backward and optimiser, on views in memory."""
    watch, turns = Stopwatch(device), itertools.cycle(batches)
    views = batches[0].shape[0] * batches[0].shape[1]
    together = ", encoded together" if experiment.backbone.views == "together" else ""
    at_once = 1 if device.type == "cpu" else 10  # a GPU is synchronised only once in a while

    def ours() -> float:
        def work() -> None:
            for _ in range(at_once):
                steps.step(next(turns))

        return watch(work) / at_once

    with ReferenceProcess(experiment) if compare else nullcontext() as reference:
        return time_rounds(
            "step",
            f"{views} views, {experiment.compute.precision}{together}",
            ours,
            None if reference is None else reference.step,
            rounds=rounds,
            warm_up=2,
            work=views,
            unit="views",
            against="float32, default layout, a loop over slices, Adam by parameter, waiting for each loss",
            note="; ".join(filter(None, (note, "the reference has a process of its own" if compare else ""))),
        )


def parts_of_a_step(
    steps: TimedSteps, batches: list[Tensor], device: torch.device, *, rounds: int
) -> list[Row]:
    """Forward, loss, backward and optimiser by themselves, with a synchronisation between them."""
    spent: dict[str, list[float]] = {"forward": [], "loss": [], "backward": [], "optimizer": []}
    watch = Stopwatch(device)
    for number in range(rounds + 1):
        batch = batches[number % len(batches)]
        with _last_network(steps.method, watch) as networks:
            began = watch.now()
            losses = steps.losses(batch)
            done = watch.now()
        spent["forward"].append(networks["last"] - began)
        spent["loss"].append(done - networks["last"])
        spent["backward"].append(watch(losses.total.backward))
        spent["optimizer"].append(watch(lambda: steps.update(losses)))  # noqa: B023 (called at once)
    views = batches[0].shape[0] * batches[0].shape[1]
    what = {
        "forward": "encoder and projector",
        "loss": "the loss, forward",
        "backward": "all gradients",
        "optimizer": "the weights, and what the method does after a step",
    }
    return [
        Row(stage=stage, what=what[stage], ours=Quartiles.of(seconds[1:]), n=rounds, work=views, unit="views")
        for stage, seconds in spent.items()
    ]


@contextmanager
def _last_network(method: nn.Module, watch: Stopwatch) -> Iterator[dict[str, float]]:
    """Records when the last of the method's networks ended."""
    seen = {"last": time.perf_counter()}

    def note(*_: Any) -> None:
        seen["last"] = watch.now()

    handles = [child.register_forward_hook(note) for child in method.children()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def whitening_loss(experiment: Experiment, device: torch.device, *, rounds: int, compare: bool) -> Row | None:
    """The W-MSE loss of noise, forward and backward; None for other methods and operators."""
    options = experiment.method
    if not isinstance(options, WMse) or options.operator != "cholesky":
        return None
    views, batch = experiment.augmentation.views, experiment.schedule.batch_size
    random = torch.Generator().manual_seed(0)
    embeddings = torch.randn(views, batch, experiment.projector.dim, generator=random).to(device)
    orders = torch.stack([torch.randperm(batch, generator=random) for _ in range(options.iterations)])
    orders, size, watch = orders.to(device), options.whitening_size, Stopwatch(device)

    def batched(x: Tensor) -> None:
        w_mse_loss(x, whitening_size=size, permutations=orders, eps=options.eps).backward()

    def loops(x: Tensor) -> None:
        loss_by_loops(x, whitening_size=size, permutations=orders, eps=options.eps).backward()

    def fresh() -> Tensor:
        return embeddings.clone().requires_grad_()

    def timed(loss: Callable[[Tensor], None]) -> float:
        x = fresh()
        return watch(lambda: loss(x))

    launched = f"{count_operations(lambda: batched(fresh()))} operations besides tensor views"
    if compare:
        launched += f", {count_operations(lambda: loops(fresh()))} in the loop"
    return time_rounds(
        "whitening",
        f"W-MSE forward and backward, {views} views of {batch} x {experiment.projector.dim}, "
        f"slices of {size}, {options.iterations} iteration{'s' if options.iterations > 1 else ''}",
        lambda: timed(batched),
        (lambda: timed(loops)) if compare else None,
        rounds=rounds * LOSS_ROUNDS,
        warm_up=5,
        work=views * batch,
        unit="embeddings",
        against="a loop over slices and views",
        note=launched,
    )


VIEW_OPERATIONS = frozenset(
    {
        "_reshape_alias",
        "_unsafe_view",
        "alias",
        "as_strided",
        "detach",
        "diagonal",
        "expand",
        "permute",
        "select",
        "slice",
        "split",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unsqueeze",
        "view",
    }
)
"""Operations that return another view of the same memory; torch has no public list of them."""


class OperationCounter(TorchDispatchMode):
    """Counts the operations of a block, those of gradients included, views left out.

    On a GPU each operation is a launch, however small it is.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += func.overloadpacket.__name__ not in VIEW_OPERATIONS
        return func(*args, **(kwargs or {}))


def count_operations(work: Callable[[], object]) -> int:
    """How many operations other than views `work` launches."""
    counted = OperationCounter()
    with counted:
        work()
    return counted.count
