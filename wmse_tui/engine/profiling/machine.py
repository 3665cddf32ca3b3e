"""The device a configuration would train on: its name, its memory, and the threads of a trainer there."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from wmse_tui.engine.training.device import ChosenDevice, choose_device
from wmse_tui.engine.training.resources import find_card

TRAINER_THREADS = torch.get_num_threads()
"""What torch has chosen for this machine, as it does in a trainer."""

QUIET_THREADS = min(2, TRAINER_THREADS)
"""For everything but a measurement: a training run beside us keeps its cores."""

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
_VERSIONS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a device: all, and those that nobody uses now."""

    total: int
    free: int


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute with `count` threads in this thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_of(wanted: str) -> ChosenDevice:
    """The device that `compute.device` means, named as a trainer would name it.

    Raises:
        DeviceError: it cannot be used.
    """
    with threads(TRAINER_THREADS):
        return choose_device(wanted)


def memory_of(device: torch.device) -> Memory:
    """The memory of a device; reading it leaves no context on a GPU, if NVML knows the device.

    Of a part of a card (MIG) it is that of the part.
    """
    if device.type != "cuda":
        return main_memory()
    total = torch.cuda.get_device_properties(device).total_memory
    card = find_card(device)
    known = {} if card is None else card.read()
    if "gpu_memory" not in known:
        return Memory(total, torch.cuda.mem_get_info(device)[0])
    free = known["gpu_memory_total"] - known["gpu_memory"]
    return Memory(total, int(min(total, max(0, free))))


def main_memory(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> Memory:
    """The memory of the machine, or of the container or batch job that this process is locked into.

    Args:
        root: where control groups are mounted.
        membership: the file that says which groups this process is in.
    """
    machine = psutil.virtual_memory()
    total, free = machine.total, machine.available
    for group in _groups(root, membership):
        for limit_name, used_name, cache_name in _VERSIONS:
            limit, used = _number(group / limit_name), _number(group / used_name)
            if limit is not None and used is not None and limit < machine.total:
                used -= _cache(group / "memory.stat", cache_name)
                total, free = min(total, limit), min(free, max(0, limit - used))
    return Memory(total, free)


def waited_for_processor() -> float | None:
    """Seconds in which this thread could have run and others did, since it began; None: not known here."""
    try:
        nanoseconds = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]
        return int(nanoseconds) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def _groups(root: Path, membership: Path) -> Iterator[Path]:
    """The folders of the control groups of this process, innermost first: versions 2 and 1."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path, *_ = (*line.split(":", 2), "", "")
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "memory" if controllers else root
        inner = base / path.lstrip("/")
        yield from (group for group in (inner, *inner.parents) if group.is_relative_to(base))


def _cache(stat: Path, name: str) -> int:
    """Bytes of files that are kept as long as nobody needs the room."""
    with contextlib.suppress(OSError, ValueError):
        for line in stat.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None
