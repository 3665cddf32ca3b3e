"""`doctor` on what several devices need: a port to meet at, and how GPUs are connected."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from typing import Any

from wmse_tui.cli.checks.finding import Finding
from wmse_tui.runs.text.sanitize import safe

LOOPBACK = "127.0.0.1"
PATHS = {
    0: "on one board",
    10: "one PCIe switch",
    20: "PCIe switches",
    30: "one PCIe host bridge",
    40: "one processor",
    50: "across processors",
}
"""NVML's levels of the common ancestor of two GPUs, from near to far."""


def link_findings() -> Iterator[Finding]:
    """Yield what concerns several devices; about links only where NVML reports several GPUs."""
    yield port_finding()
    yield from gpu_link_findings()


def port_finding() -> Finding:
    """Whether a port can be opened and reached on this machine, where the ranks of a run meet."""
    try:
        with socket.create_server((LOOPBACK, 0)) as server:
            socket.create_connection(server.getsockname(), timeout=2).close()
    except OSError as error:
        reason = safe(error.strerror or str(error), 80)
        return Finding(
            "port",
            "warn",
            f"none can be opened at {LOOPBACK} ({reason}): a run trains on one device only",
            "bring the interface up (ip link set lo up), or ask what forbids sockets here",
        )
    return Finding("port", "ok", f"one can be opened at {LOOPBACK}: runs of several devices meet there")


def gpu_link_findings() -> Iterator[Finding]:
    """Yield which pairs of GPUs are connected how, as NVML reports it."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # noqa: BLE001 (no library, no driver, no permission: no GPU to report)
        return
    if len(handles) < 2:
        return
    pairs: dict[str, list[str]] = {}
    for (i, one), (j, other) in itertools.combinations(enumerate(handles), 2):
        pairs.setdefault(_link(pynvml, one, other), []).append(f"{i}-{j}")
    text = "; ".join(f"{link}: {', '.join(between)}" for link, between in pairs.items())
    yield Finding("GPU links", "ok", text)


def _link(nvml: Any, one: Any, other: Any) -> str:
    try:
        status = nvml.nvmlDeviceGetP2PStatus(one, other, nvml.NVML_P2P_CAPS_INDEX_NVLINK)
        if status == nvml.NVML_P2P_STATUS_OK:
            return "NVLink"
    except (nvml.NVMLError, OSError):
        pass  # an older driver, or a card without: the path over PCIe is what is left
    try:
        level = int(nvml.nvmlDeviceGetTopologyCommonAncestor(one, other))
    except (nvml.NVMLError, OSError):
        return "not reported"
    return PATHS.get(level, f"PCIe, level {level}")
