"""What one run trains on at a time: a card of this machine, or where there is none, the machine.

A slot is named by the card's UUID, or MACHINE. Two lock files stand for it in the queue's folder:

    slots/<host>.<slot>.lock     held alone by the run that came from the queue
    slots/<host>.<slot>.direct   held by all runs together that were started past the queue

Both are inherited by the trainer and freed by the kernel when it and its workers are gone. What other people
and programs do on a card is seen through NVML, and waited for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmse_tui.config.locations import queue_dir
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError, StorageError
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.process.lock import held, take
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, size

MACHINE = "machine"
UNSEEN_SHARE = 0.1
"""Of a card's memory: more than this in use, and no process to be seen, is a process that cannot be seen."""


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Where a run may train.

    Args:
        slots: any of these will do.
        visible: UUIDs of all cards that it may see, in the order in which its configuration counts them.
        pinned: the configuration names one of them by number, so all must stay visible.
    """

    slots: tuple[str, ...]
    visible: tuple[str, ...] = ()
    pinned: bool = False


def cards() -> tuple[str, ...]:
    """The UUIDs of this machine's NVIDIA cards, in the order of the bus; none where NVML tells of none."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return tuple(_words(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles)
    except Exception:  # noqa: BLE001 (no library, no driver, no permission: no card to wait for)
        return ()


def visible(every: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Those of the cards that CUDA_VISIBLE_DEVICES lets a program see, in its order.

    Numbers count the cards in the order of the bus. As for CUDA, what follows an entry that names no card
    is not seen either.
    """
    wanted = environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return every
    found: list[str] = []
    for word in (word.strip() for word in wanted.split(",")):
        if word.isdecimal() and int(word) < len(every):
            found.append(every[int(word)])
        elif named := [uuid for uuid in every if word.startswith("GPU-") and uuid.startswith(word)]:
            found.append(named[0])
        elif every and word.startswith("MIG-"):  # a part of a card, which is not among the whole ones
            found.append(word)
        else:
            break
    return tuple(dict.fromkeys(found))


def device_request(device: str, *, environ: Mapping[str, str] | None = None) -> DeviceRequest:
    """Where a run with this `compute.device` may train; of a card that is not there the trainer complains."""
    environ = os.environ if environ is None else environ
    seen = () if device == "cpu" else visible(cards(), environ)
    if not seen:
        return DeviceRequest((MACHINE,))
    if ":" not in device:
        return DeviceRequest(seen, seen)
    number = int(device.partition(":")[2])
    return DeviceRequest((seen[number],) if number < len(seen) else (MACHINE,), seen, pinned=True)


def environment(wanted: DeviceRequest, slot: str) -> dict[str, str]:
    """What to set for a trainer that got `slot`, so that it trains there and nowhere else."""
    if not wanted.visible or slot == MACHINE:
        return {}
    shown = ",".join(wanted.visible) if wanted.pinned else slot
    return {"CUDA_VISIBLE_DEVICES": shown}


def label(slot: str) -> str:
    """The slot for people: "this machine", "GPU 0"."""
    if slot == MACHINE:
        return "this machine"
    every = cards()
    return f"GPU {every.index(slot)}" if slot in every else f"GPU {safe(slot, 48)}"


def slot_lock(slot: str, suffix: str = "lock", *, of: str | None = None) -> Path:
    """The lock file of a slot of this machine (or of the machine `of`)."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{of or host()}.{slot}")
    return queue_dir() / "slots" / f"{name}.{suffix}"


def make_folders() -> Path:
    """The queue's folder, made where it is missing. Raises StorageError."""
    folder = queue_dir()
    try:
        (folder / "slots").mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        fix = "choose another place: WMSE_TUI_QUEUE=DIR"
        raise StorageError.of("make the queue's folder", folder, error, next=(fix,)) from error
    return folder


def acquire_slot(slot: str, run: RunDirectory) -> int | None:
    """Take a slot for a run from the queue: the descriptor that holds it, None where it is in use.

    Raises:
        LocksUnsupported, StorageError.
    """
    descriptor = take(slot_lock(slot))
    if descriptor is None:
        return None
    try:
        busy = held(slot_lock(slot, "direct")) or bool(foreign_use(slot))
    except RunsError:
        os.close(descriptor)
        raise
    if busy:
        os.close(descriptor)
        return None
    with suppress(OSError):  # only to be told to people
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, os.fsencode(run.path), 0)
    return descriptor


def mark_slot_busy(device: str) -> int | None:
    """Note that a run past the queue trains on the slot of `device`; the descriptor, None where that fails.

    Whoever starts a run directly means it: nothing here keeps the run from its start.
    """
    with suppress(RunsError, ValueError):
        make_folders()
        return take(slot_lock(device_request(device).slots[0], "direct"), shared=True)
    return None


def use_of(slot: str, *, ask_card: bool = True) -> str:
    """Who uses a slot, in a few words; "" where it is free."""
    try:
        if held(slot_lock(slot)):
            return f"used by {_holder(slot)}"
        if held(slot_lock(slot, "direct")):
            return "used by a run that was started past the queue"
    except RunsError as error:
        return f"not to be asked: {error.title}"
    return foreign_use(slot) if ask_card else ""


def _holder(slot: str) -> str:
    try:
        with slot_lock(slot).open("rb") as file:
            path = Path(os.fsdecode(file.read(4096)))
    except (OSError, ValueError):
        return "a run"
    return safe(path.name, 64) or "a run"


def foreign_use(slot: str) -> str:
    """What computes on a card without being ours, in a few words; "" where nothing does.

    To be asked only where no run of ours trains there. A card that cannot be asked counts as in use.
    """
    if slot == MACHINE:
        return ""
    try:
        import pynvml
    except ImportError:
        return "the card cannot be asked: nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(slot)
        working = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except (pynvml.NVMLError, OSError) as error:
        return f"the card cannot be asked: {safe(str(error), 80)}"
    if working:
        told = ", ".join(_told(process) for process in working[:3])
        return f"used by {count(len(working), 'other process', 'other processes')} ({told})"
    if memory.used > UNSEEN_SHARE * memory.total:
        return f"{size(memory.used)} of its memory are in use by what cannot be seen from here"
    return ""


def _told(process: Any) -> str:
    used = getattr(process, "usedGpuMemory", None)
    return f"pid {process.pid}" + (f", {size(used)}" if used else "")


def _words(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
