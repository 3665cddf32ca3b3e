"""A trainer's threads on this machine, its device as it would name it, and its waiting for the processor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from wmse_tui.engine.training.device import ChosenDevice, choose_device

TRAINER_THREADS = torch.get_num_threads()
"""What torch has chosen for this machine, as it does in a trainer."""

QUIET_THREADS = min(2, TRAINER_THREADS)
"""For everything but a measurement: the cores are left to a training run on the same machine."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within this block torch computes with `count` threads in this thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def trainer_device(name: str) -> ChosenDevice:
    """The device that `compute.device` means, named as a trainer would name it.

    Raises:
        DeviceError: it cannot be used.
    """
    with threads(TRAINER_THREADS):
        return choose_device(name)


def waited_for_processor() -> float | None:
    """Seconds in which this thread was ready and others ran, since it began; None: not known here."""
    try:
        nanoseconds = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]
        return int(nanoseconds) / 1e9
    except (OSError, ValueError, IndexError):
        return None
