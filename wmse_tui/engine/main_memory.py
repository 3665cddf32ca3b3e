"""The memory of the machine, or of the container or batch job that confines this process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wmse_tui.runs.process.control_groups import memory_limit
from wmse_tui.runs.text.units import size

MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a device: total, and unused by any process."""

    total: int
    free: int

    def text(self) -> str:
        """As text: `1.2 GB of 4.0 GB free`."""
        return f"{size(self.free)} of {size(self.total)} free"


def main_memory() -> Memory:
    """The memory that this process may use; files that are cached in it count as free."""
    total, free = _machine()
    limit = memory_limit(total)
    return Memory(total, free) if limit is None else Memory(limit.total, min(free, limit.free))


def _machine() -> tuple[int, int]:
    """Bytes of the machine: total, and available. (psutil reads the same, and is not needed to train.)"""
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
        values = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines}
        return values["MemTotal"], values["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):  # without /proc, where cached files do not count
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
