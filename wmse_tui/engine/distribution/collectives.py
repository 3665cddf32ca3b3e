"""The calls of torch.distributed inside a step: in each of them this rank waits for the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from wmse_tui.engine.distribution.main_thread import waiting


@dataclass(frozen=True, slots=True)
class Collective:
    """One call, with the bytes of the tensor that this rank passes to it."""

    name: str
    bytes: int


_recording: list[Collective] | None = None


class _Simulation(threading.local):
    """Of one thread: others may compute real steps meanwhile."""

    world = 0


_simulation = _Simulation()


@contextmanager
def simulated_ranks(world: int) -> Iterator[None]:
    """Within this block the steps of this thread are those of rank 0 of `world`, and nothing is exchanged.

    For a dry run, whose tensors have shapes and no values. The group need not exist.
    """
    _simulation.world = world
    try:
        yield
    finally:
        _simulation.world = 0


def simulated_world() -> int:
    """As how many ranks this thread pretends to be one of; 0 outside a simulation."""
    return _simulation.world


def world_of_ranks() -> int:
    """How many ranks there are."""
    return _simulation.world or dist.get_world_size()


def own_rank() -> int:
    """Which of them this process is."""
    return 0 if _simulation.world else dist.get_rank()


@contextmanager
def recorded_collectives() -> Iterator[list[Collective]]:
    """Within this block the calls of this process are listed."""
    global _recording
    _recording = []
    try:
        yield _recording
    finally:
        _recording = None


def all_reduce(x: Tensor) -> None:
    """Replace `x`, which is contiguous, by its sum over the ranks."""
    _record("all_reduce", x)
    if _simulation.world:
        return
    with waiting():
        dist.all_reduce(x)


def all_gather(x: Tensor) -> list[Tensor]:
    """`x` of each rank, in the order of the ranks."""
    _record("all_gather", x)
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world_of_ranks())]
    own = x.contiguous()
    if not _simulation.world:
        with waiting():
            dist.all_gather(parts, own)
    return parts


def _record(name: str, x: Tensor) -> None:
    if _recording is not None:
        _recording.append(Collective(name, x.nbytes))
