"""The most memory that a piece of work took: of a GPU by torch's allocator, of the machine by the kernel."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): resets the peak resident set size


class Peak:
    """Begins to watch when it is made."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before: int | None = None
        give_back(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with suppress(OSError):
                CLEAR.write_text(RESET_PEAK)
                self._before = _status("VmRSS")

    def bytes(self) -> int | None:
        """The most since then: what was reserved on the GPU, or what memory grew by; None: not known."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_reserved(self._device))
        most = _status("VmHWM")
        return None if most is None or self._before is None else max(0, most - self._before)


def give_back(device: torch.device) -> None:
    """Return memory that is not used to the device or the machine."""
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
