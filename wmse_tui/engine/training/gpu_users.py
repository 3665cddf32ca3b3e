"""The processes that use the memory of this machine's GPUs: evidence for an out-of-memory error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wmse_tui.runs.text.units import size

try:
    import pynvml
except ImportError:
    pynvml = None

MOST = 8
"""Processes listed for each card, the largest first."""


def gpu_users() -> tuple[str, ...]:
    """A line for each card and for each process on it; nothing where the driver does not report them."""
    if pynvml is None:
        return ()
    lines: list[str] = []
    with suppress(pynvml.NVMLError, OSError):
        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            lines += _card(index)
    return tuple(lines)


def _card(index: int) -> Iterator[str]:
    with suppress(pynvml.NVMLError):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        name = pynvml.nvmlDeviceGetName(handle)
        text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        yield f"card {index}, {text}: {size(memory.used)} of {size(memory.total)} used"
        users = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        for user in sorted(users, key=lambda user: user.usedGpuMemory or 0, reverse=True)[:MOST]:
            owner = "this run" if user.pid == os.getpid() else _command(user.pid)
            yield f"  process {user.pid} ({owner}): {size(user.usedGpuMemory)}"


def _command(pid: int) -> str:
    """The command line of a process; those of another container are not visible."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "not visible from here"
    return b" ".join(arguments[:4]).decode(errors="replace")[:60] or "a process of the system"
