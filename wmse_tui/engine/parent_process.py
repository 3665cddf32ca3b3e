"""A process that ends with the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent(parent: int | None, number: signal.Signals = signal.SIGKILL) -> bool:
    """Ask the kernel to signal this process when the thread that started it ends.

    Where there is no such request (not Linux), nothing is asked.

    Args:
        parent: the process that started this one; None: unknown.
        number: the signal.

    Returns:
        Whether `parent` is still there; it may have ended before the request.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    return parent is None or os.getppid() == parent
