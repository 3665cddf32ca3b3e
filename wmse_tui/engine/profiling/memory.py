"""The memory of a device, by torch's allocator and NVML or by the kernel, and the peak of a piece of work."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path

import torch

from wmse_tui.engine.main_memory import Memory, main_memory
from wmse_tui.engine.training.resources import find_card

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): resets the peak resident set size


def memory_of(device: torch.device) -> Memory:
    """The memory of a device; no CUDA context is created if NVML knows the device.

    For a MIG instance it is the memory of that instance.
    """
    if device.type != "cuda":
        return main_memory()
    total = torch.cuda.get_device_properties(device).total_memory
    card = find_card(device)
    reading = {} if card is None else card.read()
    if "gpu_memory" not in reading:
        return Memory(total, torch.cuda.mem_get_info(device)[0])
    free = reading["gpu_memory_total"] - reading["gpu_memory"]
    return Memory(total, int(min(total, max(0, free))))


class PeakMemory:
    """The peak memory since this object was made."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before: int | None = None
        release_memory(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with suppress(OSError):
                CLEAR.write_text(RESET_PEAK)
                self._before = _status("VmRSS")

    def bytes(self) -> int | None:
        """The most that was reserved on the GPU, or the growth of resident memory; None: not reading."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_reserved(self._device))
        peak = _status("VmHWM")
        return None if peak is None or self._before is None else max(0, peak - self._before)


def release_memory(device: torch.device) -> None:
    """Return unused memory to the device or the machine."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # other C libraries have no such call
        ctypes.CDLL(None).malloc_trim(0)


def _status(name: str) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None
