"""The descendants of a process, read by psutil, which the caller has found installed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

try:
    import psutil
except ImportError:
    psutil = None  # type: ignore[assignment]


def descendants(process: psutil.Process, *, without: Collection[int] = ()) -> Iterator[psutil.Process]:
    """Those of a process, parents first, but for the processes `without` and theirs.

    Raises:
        psutil.Error, OSError: the process has ended, or the system refuses.
    """
    left_out = set(without)
    for child in process.children(recursive=True):
        with suppress(psutil.Error):
            if left_out and (child.pid in left_out or child.ppid() in left_out):
                left_out.add(child.pid)
            else:
                yield child
