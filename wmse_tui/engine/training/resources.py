"""What the trainer and its loader workers use of the machine: processor, memory, and the GPU.

Read by psutil and NVML. Without the libraries, the driver or the permission fewer numbers are reported, and
training continues all the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch

from wmse_tui.engine.child_processes import descendants
from wmse_tui.engine.main_memory import main_memory
from wmse_tui.engine.training.gpu_users import other_users
from wmse_tui.runs.log.events import RankLoad, Resources
from wmse_tui.runs.process.cores import available_cores
from wmse_tui.runs.process.identity import host

try:
    import psutil
except ImportError:  # processor and memory are not reported
    psutil = None  # type: ignore[assignment]

try:
    import pynvml
except ImportError:
    pynvml = None


class Card(Protocol):
    """Reads one card."""

    def read(self) -> dict[str, Any]:
        """The `gpu` fields of `Resources` that the card reports."""


RESOURCES_SHARE = 500
"""The `TimeBudget` of readings: 2,200 in a day."""


class OtherLoads(Protocol):
    """The ranks beside this one, which is rank 0."""

    def loads(self) -> Collection[RankLoad]:
        """What each of them uses, as it reported last."""

    def started(self) -> Collection[int]:
        """The processes of those that this one has started."""


class ResourceMonitor:
    """Reads the load of this process and its device; one per attempt.

    Args:
        device: that trains; its card is read if it is a CUDA device.
        others: the ranks beside this one, if it is rank 0 of several: their loads are reported with its own.
        shares_pages: it is another rank; the pages that ranks share count for each in part.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        others: OtherLoads | None = None,
        shares_pages: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._others = others
        self._card: Card | None = find_card(device)
        self._tree = None
        if psutil is not None:
            with suppress(psutil.Error, OSError):  # no /proc
                self._tree = ProcessTree(
                    os.getpid(),
                    without=tuple if others is None else others.started,
                    shares_pages=shares_pages or others is not None,
                    clock=clock,
                )

    def read(self, step: int) -> Resources | None:
        """The load since the last reading, for the event of `step`; None where nothing is known."""
        card = {} if self._card is None else self._card.read()
        tree = {} if self._tree is None else self._tree.read()
        if not card and not tree:
            return None
        own = Resources(step=step, **card, **tree)
        return own if self._others is None else with_ranks(own, self._others.loads())


def load_of_rank(rank: int, read: Resources) -> RankLoad:
    """What a rank of this machine has read of itself, as one of several."""
    return RankLoad(
        rank=rank,
        host=host(),
        gpu=read.gpu,
        gpu_utilisation=read.gpu_utilisation,
        gpu_memory=read.gpu_memory,
        gpu_memory_total=read.gpu_memory_total,
        gpu_temperature=read.gpu_temperature,
        gpu_power=read.gpu_power,
        gpu_power_limit=read.gpu_power_limit,
        cpu=read.cpu,
        memory=read.memory,
    )


def with_ranks(own: Resources, others: Collection[RankLoad]) -> Resources:
    """What rank 0 has read of itself with the `others`, whose processes on its machine count with its own."""
    first = load_of_rank(0, own)
    ranks = (first, *sorted(others, key=lambda load: load.rank))
    here = [load for load in ranks if load.host == first.host]
    return replace(
        own,
        cpu=None if own.cpu is None else sum(load.cpu or 0.0 for load in here),
        memory=None if own.memory is None else sum(load.memory or 0.0 for load in here),
        ranks=ranks,
    )


class ProcessTree:
    """A process and its descendants, read by psutil.

    Args:
        pid: of the process.
        without: processes that do not count, nor their descendants.
        shares_pages: with processes that do not count.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        pid: int,
        *,
        without: Callable[[], Collection[int]] = tuple,
        shares_pages: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process = psutil.Process(pid)
        self._without = without
        self._shares_pages = shares_pages
        self._clock = clock
        self._at = clock()
        self._spent = self._seconds(self._members())

    def read(self) -> dict[str, Any]:
        """Average number of busy cores since the last reading, and memory; empty where the system refuses."""
        with suppress(psutil.Error, OSError):
            members = self._members()
            now, spent = self._clock(), self._seconds(members)
            # The last moments of processes that ended meanwhile are lost; new ones count from their start.
            used = sum(seconds - self._spent.get(process, 0.0) for process, seconds in spent.items())
            elapsed, self._at, self._spent = now - self._at, now, spent
            alone = len(members) == 1 and not self._shares_pages
            return {
                "cpu": used / elapsed if elapsed > 0 else None,
                "cpu_count": available_cores(),
                "memory": float(sum(_resident(process, alone=alone) for process in members)),
                "memory_total": float(main_memory().total),
            }
        return {}

    def _members(self) -> list[psutil.Process]:
        return [self._process, *descendants(self._process, without=self._without())]

    @staticmethod
    def _seconds(members: list[psutil.Process]) -> dict[psutil.Process, float]:
        """Processor seconds of each so far; keyed by pid and start time, as pids are reused."""
        spent = {}
        for process in members:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = process.cpu_times()
                spent[process] = times.user + times.system
        return spent


def _resident(process: psutil.Process, *, alone: bool) -> int:
    """Bytes in memory; shared pages are counted once, in equal parts (PSS).

    Forked workers share the images of the trainer: their plain resident sizes would count them once each.
    """
    with suppress(psutil.Error):
        if not alone:
            with suppress(OSError, ValueError, IndexError):
                lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
                return 1024 * int(next(line.split()[1] for line in lines if line.startswith("Pss:")))
        return int(process.memory_info().rss)
    return 0


def find_card(device: torch.device) -> Card | None:
    """The card behind a CUDA device; None for other devices, and where NVML does not list it."""
    if device.type != "cuda" or pynvml is None or torch.version.hip is not None:
        return None
    try:
        pynvml.nvmlInit()
        return NvmlCard(_handle(torch.cuda.get_device_properties(device)))
    except (pynvml.NVMLError, OSError):
        return None


def _handle(properties: Any) -> Any:
    """NVML's handle of the card that torch describes.

    Torch counts the visible cards and NVML all of them, in another order: only the UUID or the PCI address
    identifies the same card in both. A part of a card (MIG) has a UUID of its own.
    """
    if (uuid := getattr(properties, "uuid", None)) is not None:
        for kind in ("GPU", "MIG"):
            with suppress(pynvml.NVMLError):
                return pynvml.nvmlDeviceGetHandleByUUID(f"{kind}-{uuid}")
    domain, bus, slot = (getattr(properties, f"pci_{part}_id") for part in ("domain", "bus", "device"))
    return pynvml.nvmlDeviceGetHandleByPciBusId(f"{domain:08X}:{bus:02X}:{slot:02X}.0")


class NvmlCard:
    """One card, read by NVML; quantities it does not support are left out."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def read(self) -> dict[str, Any]:
        ask = pynvml
        values: dict[str, Any] = {}
        with suppress(ask.NVMLError):
            name = ask.nvmlDeviceGetName(self._handle)
            values["gpu"] = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        with suppress(ask.NVMLError):
            values["gpu_utilisation"] = ask.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100
        with suppress(ask.NVMLError):
            memory = ask.nvmlDeviceGetMemoryInfo(self._handle)
            values["gpu_memory"] = float(memory.used)
            values["gpu_memory_total"] = float(memory.total)
        with suppress(ask.NVMLError):
            temperature = ask.nvmlDeviceGetTemperature(self._handle, ask.NVML_TEMPERATURE_GPU)
            values["gpu_temperature"] = float(temperature)
        with suppress(ask.NVMLError):
            values["gpu_power"] = ask.nvmlDeviceGetPowerUsage(self._handle) / 1000
        with suppress(ask.NVMLError):
            values["gpu_power_limit"] = ask.nvmlDeviceGetEnforcedPowerLimit(self._handle) / 1000
        with suppress(ask.NVMLError):
            values["gpu_users"] = other_users(ask, self._handle)
        return values
