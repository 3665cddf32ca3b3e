"""What a process that computes sets before torch is loaded: threads, memory, the modes of its files."""

from __future__ import annotations

import ctypes
import os
import sys

from wmse_tui.runs.process.cores import own_cores, unlimited_cores

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
CACHED = 2**31 - 1  # bytes at the end of the heap that are not returned; the most that mallopt accepts
GROWTH = 256 * 2**20  # bytes by which the heap grows at a time
OWN_CHOICES = (
    "GLIBC_TUNABLES",
    "LD_PRELOAD",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_MMAP_MAX_",
)
"""Variables by which the user has chosen already."""


def settle() -> None:
    """Set up this process for training; call it before torch is imported."""
    # Idle OpenMP threads sleep instead of spinning. Where another process wants the cores too, spinning made
    # a step of quickstart five times as long (2 cores, one of them taken); read when torch is first loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # torch counts the machine's cores; threads beyond a container's quota, or beyond the part of this rank,
    # would only wait for each other. What the user or torchrun has set stays.
    if own_cores() < unlimited_cores():
        os.environ.setdefault("OMP_NUM_THREADS", str(own_cores()))
    cache_large_blocks()
    # Images that others may change are not those that were checked: what is made is this user's to write.
    os.umask(os.umask(0o077) | 0o022)


def cache_large_blocks() -> bool:
    """Let malloc cache the memory of large tensors for the next step; returns whether it does.

    glibc maps and returns each large block at every use, so every activation of every step would be filled
    with zeros by the kernel, page by page: a fifth of a step on a CPU. Nothing is changed where the
    environment configures malloc, or brings another one, and without glibc.
    """
    if not sys.platform.startswith("linux") or any(os.environ.get(name) for name in OWN_CHOICES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, CACHED), (M_TOP_PAD, GROWTH))
    return all(mallopt(name, value) == 1 for name, value in settings)
