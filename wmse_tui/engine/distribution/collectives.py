"""The calls of torch.distributed inside a step: in each of them this rank waits for the others."""

from __future__ import annotations

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
    with waiting():
        dist.all_reduce(x)


def all_gather(x: Tensor) -> list[Tensor]:
    """`x` of each rank, in the order of the ranks."""
    _record("all_gather", x)
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
    with waiting():
        dist.all_gather(parts, x.contiguous())
    return parts


def _record(name: str, x: Tensor) -> None:
    if _recording is not None:
        _recording.append(Collective(name, x.nbytes))
