"""The processor cores of this process."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

from wmse_tui.runs.process.control_groups import cpu_quota

_processes = 1


def available_cores() -> int:
    """How many cores this process may use: of its affinity mask, and of a container's or a batch job's quota.

    A quota of 1.5 cores counts as 2: threads are paused when it is used up, and one thread would leave a
    third of it unused.
    """
    cores, quota = unlimited_cores(), cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def unlimited_cores() -> int:
    """The cores of the affinity mask where the system has one; no quota counts."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def own_cores() -> int:
    """The available cores without the part of other ranks of this machine, for threads and loaders."""
    return max(available_cores() // _processes, 1)


@contextmanager
def cores_divided(processes: int) -> Iterator[None]:
    """Within this block the available cores are divided among so many processes, of which this is one."""
    global _processes
    before, _processes = _processes, processes
    try:
        yield
    finally:
        _processes = before
