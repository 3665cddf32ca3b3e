"""What a container or a batch job may use of the machine: limits of control groups, versions 1 and 2.

A limit may be set on the group of this process or on any around it. In a container the path of the group is
often that of the host and does not exist; the limit is then that of the mounted root.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
_MEMORY = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """Bytes that the processes of a group may use together, and those of them that are not used."""

    total: int
    free: int


def cpu_quota(root: Path | None = None, membership: Path | None = None) -> float | None:
    """The processor time that this process may use, in cores; None: no quota.

    Args:
        root: where control groups are mounted.
        membership: the file that names the groups of this process.
    """
    found = []
    for group in _groups("cpu", root or ROOT, membership or MEMBERSHIP):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (group / "cpu.max").read_text().split()
            found.append(int(quota) / int(period))  # a ValueError where it is "max"
        quota_v1, period_v1 = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        if quota_v1 is not None and quota_v1 > 0 and period_v1:  # -1: none
            found.append(quota_v1 / period_v1)
    return min(found, default=None)


def memory_limit(total: int, root: Path | None = None, membership: Path | None = None) -> MemoryLimit | None:
    """The memory that this process may use; None where no limit is below the machine's `total` bytes.

    Cached files count as free: they are dropped when memory is needed.
    """
    limits = []
    for group in _groups("memory", root or ROOT, membership or MEMBERSHIP):
        for limit_name, used_name, cache_name in _MEMORY:
            limit, used = _number(group / limit_name), _number(group / used_name)
            if limit is not None and used is not None and limit < total:
                used -= _cached_files(group / "memory.stat", cache_name)
                limits.append((limit, max(0, limit - used)))
    if not limits:
        return None
    return MemoryLimit(min(limit for limit, _ in limits), min(free for _, free in limits))


def _groups(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """The folders of the control groups of this process, innermost first: versions 2 and 1."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = ["0::/", f"1:{controller}:/"]
    for line in lines:
        _, controllers, path, *_ = (*line.split(":", 2), "", "")
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controller if controllers else root
        inner = base / path.lstrip("/")
        yield from (group for group in (inner, *inner.parents) if group.is_relative_to(base))


def _cached_files(stat: Path, name: str) -> int:
    with suppress(OSError, ValueError):
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
