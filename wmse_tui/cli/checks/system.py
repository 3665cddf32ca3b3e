"""`doctor` on the machine: cores, memory, shared memory, and what may end a detached run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wmse_tui.cli.checks.finding import Finding
from wmse_tui.config.locations import has_home, home
from wmse_tui.runs.process.control_groups import ROOT, cpu_quota, memory_limit
from wmse_tui.runs.process.cores import unlimited_cores
from wmse_tui.runs.process.interpreter import find_program
from wmse_tui.runs.text.units import count, size

LITTLE_MEMORY = 2_000_000_000
LITTLE_SHM = 1_000_000_000
CGROUP = ROOT
SHM = Path("/dev/shm")
SHM_NAME = str(SHM)


def machine_findings() -> Iterator[Finding]:
    """Yield every finding about the machine."""
    yield cpu_finding(CGROUP)
    yield memory_finding(Path("/proc/meminfo"), CGROUP)
    yield shm_finding(SHM)
    if not has_home():
        yield Finding(
            "home",
            "warn",
            f"this user has none: {home()} is used",
            "set HOME, or WMSE_TUI_RUNS and WMSE_TUI_DATA",
        )
    yield from session_findings()


def cpu_finding(cgroup: Path) -> Finding:
    """Return how many cores this process may use."""
    cores, quota = unlimited_cores(), cpu_quota(cgroup)
    if quota is not None and quota < cores:
        return Finding("cpu", "ok", f"{quota:.1f} of {count(cores, 'core')} (a container's limit)")
    return Finding("cpu", "ok", count(cores, "core"))


def memory_finding(meminfo: Path, cgroup: Path) -> Finding:
    """Return the total and the free memory; a container's limit counts."""
    values = {}
    with suppress(OSError):
        for line in meminfo.read_text().splitlines():
            name, _, rest = line.partition(":")
            values[name] = int(rest.split()[0]) * 1024
    total, free = values.get("MemTotal"), values.get("MemAvailable")
    if total is None or free is None:
        return Finding("memory", "ok", "cannot be read on this system")
    limit = ""
    if (limited := memory_limit(total, cgroup)) is not None:
        total, free, limit = limited.total, min(free, limited.free), " (a container's limit)"
    text = f"{size(free)} of {size(total)} free{limit}"
    if free < LITTLE_MEMORY:
        return Finding(
            "memory", "warn", text, "close other programs, or use fewer loader workers (compute.workers)"
        )
    return Finding("memory", "ok", text)


def shm_finding(path: Path) -> Finding:
    """Return the free shared memory: loader workers pass batches through it."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return Finding(SHM_NAME, "warn", "does not exist", "set compute.workers=0: loader workers need it")
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding(SHM_NAME, "warn", "cannot be written", "set compute.workers=0: loader workers need it")
    text = f"{size(usage.free)} of {size(usage.total)} free"
    if usage.free < LITTLE_SHM:
        return Finding(
            SHM_NAME,
            "warn",
            f"{text}: loader workers may die with a bus error",
            "start the container with --shm-size=8g or --ipc=host, or set compute.workers=0",
        )
    return Finding(SHM_NAME, "ok", text)


def session_findings() -> Iterator[Finding]:
    """Yield what ends a run together with the login, the job or the container that started it."""
    if kills_user_processes():
        yield Finding(
            "logout",
            "warn",
            "systemd ends every process of a user at logout (KillUserProcesses=yes), detached runs too",
            "loginctl enable-linger, then: systemd-run --user --scope wmse-tui run ... --detach",
        )
    if kind := container():
        text = f"inside a container ({kind}): runs end with it, and can be resumed in the next one"
        yield Finding("container", "ok", f"{text} if their folder persists")
    if "SLURM_JOB_ID" in os.environ:
        job = os.environ["SLURM_JOB_ID"]
        yield Finding(
            "scheduler", "ok", f"inside SLURM job {job}: runs end with it, and can be resumed in the next one"
        )


def kills_user_processes() -> bool:
    """Whether logind ends a user's processes at logout; False when that cannot be read cheaply."""
    busctl = find_program("busctl")
    if busctl is None or not Path("/run/systemd/seats").is_dir():
        return False
    manager = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    try:
        answer = subprocess.run(
            [busctl, "get-property", *manager, "KillUserProcesses"],
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == "b true"


def container() -> str:
    """The kind of container that this process runs in, or ""."""
    if Path("/.dockerenv").exists():
        return "docker"
    if Path("/run/.containerenv").exists():
        return "podman"
    with suppress(OSError):
        return Path("/run/systemd/container").read_text(encoding="utf-8", errors="replace").strip()
    return ""


def has_nvidia_gpu(devices: Path = Path("/dev"), pci: Path = Path("/sys/bus/pci/devices")) -> bool:
    """Return whether an NVIDIA GPU is in this machine, with or without its driver."""
    if any(devices.glob("nvidia[0-9]*")):
        return True
    for device in pci.glob("*"):
        with suppress(OSError):
            vendor, kind = (device / "vendor").read_text(), (device / "class").read_text()
            if vendor.strip() == "0x10de" and kind.startswith("0x03"):
                return True
    return False
