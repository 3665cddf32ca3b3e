"""Slots: one run trains at a time on each GPU of this machine, or on the machine where it has no GPU.

A run of several GPUs needs as many slots, and acquires all of them together or none.

A slot is named by the GPU's UUID, or MACHINE. It has two lock files in the queue's folder:

    slots/<host>.<slot>.lock     exclusive: held by the run that came from the queue
    slots/<host>.<slot>.direct   shared: held by all runs that were started past the queue

Both are inherited by the trainer and freed by the kernel when it and its workers have exited. What other
users and programs compute on a GPU is queried through NVML, and waited for.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wmse_tui.config.atomic import make_private_folder
from wmse_tui.config.locations import queue_dir
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError, StorageError, TooFewSlots
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.process.lock import acquire_lock, held
from wmse_tui.runs.run_folder import read_file
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, size

if TYPE_CHECKING:  # the list of runs does without the schema
    from wmse_tui.config.sections.compute import Devices

MACHINE = "machine"
_LONGEST_PATH = 4096  # bytes
UNSEEN_SHARE = 0.1
"""Of a GPU's memory: more than this in use, and no visible process, means a process that NVML cannot see."""


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Where a run may train.

    Args:
        slots: any of these will do.
        visible: UUIDs of all GPUs that it may see, in the order in which its configuration counts them.
        pinned: the configuration names one of them by number, so all must stay visible.
        count: how many of the slots it needs.
    """

    slots: tuple[str, ...]
    visible: tuple[str, ...] = ()
    pinned: bool = False
    count: int = 1


def gpu_uuids() -> tuple[str, ...]:
    """The UUIDs of this machine's NVIDIA GPUs, in the order of the bus; none where NVML reports none."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return tuple(_as_text(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles)
    except Exception:  # noqa: BLE001 (no library, no driver, no permission: no GPU to wait for)
        return ()


def visible(every: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Those of the GPUs that CUDA_VISIBLE_DEVICES lets a program see, in its order.

    Numbers count the GPUs in the order of the bus. As for CUDA, what follows an entry that names no GPU
    is not visible either.
    """
    wanted = environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return every
    found: list[str] = []
    for entry in (entry.strip() for entry in wanted.split(",")):
        if entry.isdecimal() and int(entry) < len(every):
            found.append(every[int(entry)])
        elif named := [uuid for uuid in every if entry.startswith("GPU-") and uuid.startswith(entry)]:
            found.append(named[0])
        elif every and entry.startswith("MIG-"):  # a part of a GPU, which is not among the whole ones
            found.append(entry)
        else:
            break
    return tuple(dict.fromkeys(found))


def device_request(
    device: str, devices: Devices = "auto", *, environ: Mapping[str, str] | None = None
) -> DeviceRequest:
    """Where a run with this `compute.device` and `compute.devices` may train.

    The processes of a run on the CPU share one slot, and so does every run where no GPU is visible.

    Raises:
        TooFewSlots: it needs a GPU that is not visible.
    """
    environ = os.environ if environ is None else environ
    seen = () if device == "cpu" else visible(gpu_uuids(), environ)
    if not seen:
        return DeviceRequest((MACHINE,))
    if ":" in device:
        number = int(device.partition(":")[2])
        if number >= len(seen):
            raise _too_few(f"compute.device={device} needs {count(number + 1, 'GPU')}", len(seen))
        return DeviceRequest((seen[number],), seen, pinned=True)
    if isinstance(devices, tuple):
        if max(devices) >= len(seen):
            title = f"compute.devices={list(devices)} needs {count(max(devices) + 1, 'GPU')}"
            raise _too_few(title, len(seen))
        return DeviceRequest(tuple(seen[card] for card in devices), seen, pinned=True, count=len(devices))
    number = 1 if devices == "auto" else devices
    if number > len(seen):
        raise _too_few(f"compute.devices={devices} needs {devices} slots", len(seen))
    return DeviceRequest(seen, seen, count=number)


def _too_few(title: str, slots: int) -> TooFewSlots:
    steps = ("a smaller compute.devices: the result is the same", "check CUDA_VISIBLE_DEVICES")
    return TooFewSlots(title, f"the queue has {count(slots, 'slot')} for this run: visible GPUs", next=steps)


def environment(wanted: DeviceRequest, slots: Iterable[str]) -> dict[str, str]:
    """The environment variables that make a trainer which got `slots` train there and nowhere else."""
    if not wanted.visible or MACHINE in slots:
        return {}
    return {"CUDA_VISIBLE_DEVICES": ",".join(wanted.visible if wanted.pinned else slots)}


def label(slot: str) -> str:
    """The slot for people: "this machine", "GPU 0"."""
    if slot == MACHINE:
        return "this machine"
    every = gpu_uuids()
    return f"GPU {every.index(slot)}" if slot in every else f"GPU {safe(slot, 48)}"


def slot_lock(slot: str, suffix: str = "lock", *, of: str | None = None) -> Path:
    """The lock file of a slot of this machine (or of the machine `of`)."""
    name = _file_name(f"{of or host()}.{slot}")
    return queue_dir().resolve() / "slots" / f"{name}.{suffix}"


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)


def _acquire(path: Path, *, shared: bool = False) -> int | None:
    """`acquire_lock`, of a file that all users of the queue may lock."""
    made = not path.exists()
    descriptor = acquire_lock(path, shared=shared)
    if made:
        share_like(path, queue_dir())
    return descriptor


def make_folders() -> Path:
    """The queue's folder, made where it is missing. Raises StorageError."""
    folder = queue_dir()
    try:
        make_private_folder(folder)
        folder = folder.resolve()  # it may be a link, which nothing in it may be
        slots = folder / "slots"
        with suppress(FileExistsError):
            slots.mkdir(mode=0o700)
            share_like(slots, folder)
    except OSError as error:
        fix = "choose another folder: WMSE_TUI_QUEUE=DIR"
        raise StorageError.of("make the queue's folder", folder, error, next=(fix,)) from error
    for path in (folder, slots, *slots.glob(f"{_file_name(host())}.*")):
        _require_access(path)
    return folder


def share_like(path: Path, folder: Path, *, read_only: bool = False) -> None:
    """Open `path` to the users who may write `folder`: a queue that several share; nothing for one's own.

    Args:
        path: a file or a folder, made by this process.
        folder: the queue's folder; its mode says who shares it (1777, or 3770 of a group).
        read_only: others may read it only.
    """
    about = folder.stat()
    group, others = about.st_mode & stat.S_IWGRP, about.st_mode & stat.S_IWOTH
    if not group and not others:
        return
    bits = 0o4 if read_only else 0o7 if path.is_dir() else 0o6
    try:  # never what another user has put there: a link would lead elsewhere
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        made = os.fstat(descriptor)
        mode = stat.S_IMODE(made.st_mode) | (bits << 3 if group else 0) | (bits if others else 0)
        with suppress(OSError):  # not the owner, or a file system without modes
            os.fchown(descriptor, -1, about.st_gid)
        with suppress(OSError):
            os.fchmod(descriptor, mode | (stat.S_ISVTX if stat.S_ISDIR(made.st_mode) else 0))
    finally:
        os.close(descriptor)


def _require_access(path: Path) -> None:
    """Raise a StorageError where this user may not use a file or folder of the queue, which another made."""
    needed = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    if os.access(path, needed):
        return
    about = path.stat()
    owner, mode = about.st_uid, stat.S_IMODE(about.st_mode)
    raise StorageError(
        "the queue's folder cannot be used",
        f"{path} belongs to user {owner} with mode {mode:03o}; you are user {os.getuid()}",
        next=(
            "use a folder of your own: WMSE_TUI_QUEUE=DIR",
            f"or have it opened to all: chmod 1777 {queue_dir()}, and remove {queue_dir() / 'slots'}",
        ),
    )


def acquire_slots(slots: Iterable[str], number: int, run: RunDirectory) -> dict[str, int]:
    """Acquire `number` of the slots for a run from the queue, the first that are free; none where fewer are.

    Returns:
        By slot the descriptor that holds it; to close all of them frees all.

    Raises:
        LocksUnsupported, StorageError.
    """
    free = [slot for slot in slots if not use_of(slot, ask_gpu=False)]
    acquired: dict[str, int] = {}
    try:
        while free and len(acquired) < number <= len(acquired) + len(free):
            slot = free.pop(0)
            descriptor = _acquire(slot_lock(slot))
            if descriptor is None:
                continue
            acquired[slot] = descriptor
            if held(slot_lock(slot, "direct")) or other_use(slot):
                os.close(acquired.pop(slot))
    except RunsError:
        release_slots(acquired)
        raise
    if len(acquired) < number:
        release_slots(acquired)
        return {}
    for descriptor in acquired.values():
        with suppress(OSError):  # only for messages
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, os.fsencode(run.path), 0)
    return acquired


def release_slots(acquired: Mapping[str, int]) -> None:
    """Free slots that `acquire_slots` has returned, where no trainer has inherited them."""
    for descriptor in acquired.values():
        os.close(descriptor)


def mark_slots_busy(device: str, devices: Devices) -> list[int]:
    """Note that a run past the queue trains on the slots of its devices; the descriptors, none on a failure.

    A failure here does not prevent the start, which was requested explicitly.
    """
    marked: list[int] = []
    with suppress(RunsError, ValueError):
        make_folders()
        wanted = device_request(device, devices)
        for slot in wanted.slots[: wanted.count]:
            descriptor = _acquire(slot_lock(slot, "direct"), shared=True)
            if descriptor is not None:
                marked.append(descriptor)
    return marked


def use_of(slot: str, *, ask_gpu: bool = True) -> str:
    """What uses a slot, in short; "" where it is free."""
    try:
        if held(slot_lock(slot)):
            return f"used by {_holder(slot)}"
        if held(slot_lock(slot, "direct")):
            return "used by a run that was started past the queue"
    except RunsError as error:
        return f"not known to be free: {error.title}"
    return other_use(slot) if ask_gpu else ""


def _holder(slot: str) -> str:
    try:
        path = Path(os.fsdecode(read_file(slot_lock(slot), _LONGEST_PATH)))
    except (OSError, ValueError):
        return "a run"
    return safe(path.name, 64) or "a run"


def other_use(slot: str) -> str:
    """What other programs compute on a GPU, in short; "" where none does.

    Only meaningful where no run of ours trains there. A GPU that cannot be queried counts as in use.
    """
    if slot == MACHINE:
        return ""
    try:
        import pynvml
    except ImportError:
        return "the GPU cannot be queried: nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(slot)
        processes = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except (pynvml.NVMLError, OSError) as error:
        return f"the GPU cannot be queried: {safe(str(error), 80)}"
    if processes:
        named = ", ".join(_process_text(process) for process in processes[:3])
        return f"used by {count(len(processes), 'other process', 'other processes')} ({named})"
    if memory.used > UNSEEN_SHARE * memory.total:
        return f"{size(memory.used)} of its memory are in use by a process that is not visible here"
    return ""


def _process_text(process: Any) -> str:
    used = getattr(process, "usedGpuMemory", None)
    return f"pid {process.pid}" + (f", {size(used)}" if used else "")


def _as_text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
