"""The processes that use this machine's GPUs: who else uses a card, evidence for an out-of-memory error."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from wmse_tui.runs.log.events import GpuUser
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
        for user in _processes(pynvml, handle)[:MOST]:
            owner = "this run" if user.pid == os.getpid() else _command(user.pid)
            yield f"  process {user.pid} ({owner}): {size(user.usedGpuMemory)}"


def other_users(nvml: Any, handle: Any) -> tuple[GpuUser, ...]:
    """The processes on a card that are not of this run, which has a session of its own, the largest first.

    Args:
        nvml: the library, pynvml.
        handle: its handle of the card.

    Raises:
        nvml.NVMLError: the driver does not report them.
    """
    return tuple(
        GpuUser(user.pid, _owner(user.pid), _program(user.pid), user.usedGpuMemory)
        for user in _processes(nvml, handle)
        if not _of_this_run(user.pid)
    )[:MOST]


def _processes(nvml: Any, handle: Any) -> list[Any]:
    users = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    return sorted(users, key=lambda user: user.usedGpuMemory or 0, reverse=True)


def _of_this_run(pid: int) -> bool:
    try:
        return pid == os.getpid() or os.getsid(pid) == os.getsid(0)
    except OSError:  # of another container
        return False


def _owner(pid: int) -> str:
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_bytes().decode(errors="replace").strip()
    except OSError:
        return ""


def _command(pid: int) -> str:
    """The command line of a process; those of another container are not visible."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "not visible from here"
    return b" ".join(arguments[:4]).decode(errors="replace")[:60] or "a process of the system"
