"""The torch half of `wmse-tui doctor`: versions, devices, a real kernel on each, why CUDA is not usable.

`python -m wmse_tui.engine.doctor` prints one JSON object:

    {"torch": "2.11.0+cu128", "torchvision": "0.26.0+cu128", "threads": 16,
     "cuda": {"usable": false, "reason": "driver_too_old", "text": "...", "fix": "..."},
     "devices": [{"index": 0, "name": "...", "memory_bytes": 1, "free_bytes": 1,
                  "capability": "9.0", "kernel": "ok"}]}

`reason` is one of: ok, cpu_build, hidden, no_card, no_driver, driver_too_old, kernel_failed, unknown.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

DRIVERS = {"12": 525, "13": 580}
"""The oldest driver for each major release of CUDA."""

BUILDS = {"12": "cu126", "13": "cu130"}
"""A torch build that runs on every driver of a major release of CUDA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaFacts:
    """What the machine reports about CUDA, gathered without using it."""

    built_for: str | None  # the CUDA version torch was built for: "12.8"; None: a CPU build
    rocm: str | None  # the ROCm version, when torch was built for AMD cards
    visible_devices: str | None  # the environment's CUDA_VISIBLE_DEVICES
    cards: int  # NVIDIA cards on the PCI bus, or passed to a container by the driver
    driver: str | None  # the kernel driver's version: "570.124.06"
    driver_supports: str | None  # the newest CUDA version the driver library serves: "12.8"
    driver_error: int | None  # what cuInit returned when it failed
    available: bool  # torch.cuda.is_available()
    torch_error: str = ""  # torch's error when CUDA was started


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuda:
    """Whether CUDA is usable, why or why not, and what a person can do about it."""

    usable: bool
    reason: str
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedDevice:
    """One CUDA device as torch sees it; `kernel` is "ok" or the error of a small factorisation on it."""

    index: int
    name: str
    memory_bytes: int
    free_bytes: int | None
    capability: str
    kernel: str


def judge_cuda(facts: CudaFacts) -> Cuda:
    """Whether CUDA is usable, and the first cause that a person must fix if it is not."""
    if facts.available:
        built = f"ROCm {facts.rocm}" if facts.rocm else f"CUDA {facts.built_for}"
        return Cuda(usable=True, reason="ok", text=f"{built}, driver {facts.driver or 'unknown'}")
    hidden = facts.visible_devices is not None and facts.visible_devices.strip() in (
        "",
        "-1",
        "none",
        "void",
    )
    if hidden:
        return Cuda(
            usable=False,
            reason="hidden",
            text=f"CUDA_VISIBLE_DEVICES is set to {facts.visible_devices!r}, which hides every card",
            fix="unset CUDA_VISIBLE_DEVICES, or set it to the number of a card, for example 0",
        )
    if not facts.cards and facts.driver is None and facts.driver_supports is None:
        also = "; this torch is a CPU build too" if facts.built_for is None else ""
        return Cuda(
            usable=False,
            reason="no_card",
            text=f"no NVIDIA card in this machine{also}",
            fix="in a container, pass the cards in (docker run --gpus all); under a scheduler, request one",
        )
    if facts.built_for is None and facts.rocm is None:
        return Cuda(
            usable=False,
            reason="cpu_build",
            text="this torch was built for the CPU only, although the machine has an NVIDIA card",
            fix="install a torch build with CUDA (the selector on pytorch.org names the command)",
        )
    if facts.driver is None and facts.driver_supports is None:
        return Cuda(
            usable=False,
            reason="no_driver",
            text=f"{_cards(facts.cards)} found, but the NVIDIA driver is not loaded",
            fix="install or load the NVIDIA driver; `nvidia-smi` must answer first",
        )
    if _older(facts.driver_supports, facts.built_for):
        return Cuda(
            usable=False,
            reason="driver_too_old",
            text=(
                f"the driver {facts.driver or ''} serves CUDA {facts.driver_supports},"
                f" this torch needs CUDA {facts.built_for}"
            ).replace("driver  ", "driver "),
            fix=_newer_driver_or_older_torch(facts),
        )
    if not facts.cards:
        return Cuda(
            usable=False,
            reason="no_card",
            text="the NVIDIA driver is loaded, but no card is visible to this process",
            fix="in a container, pass the cards in (docker run --gpus all); under a scheduler, request one",
        )
    code = f" (cuInit returned {facts.driver_error})" if facts.driver_error else ""
    reason = facts.torch_error or "torch gave no reason"
    return Cuda(
        usable=False,
        reason="unknown",
        text=f"{_cards(facts.cards)} and a driver found, but CUDA does not start{code}: {reason}",
        fix="check whether `nvidia-smi` works; a driver updated without a reboot needs one",
    )


def _newer_driver_or_older_torch(facts: CudaFacts) -> str:
    needed = DRIVERS.get(str(facts.built_for).split(".")[0])
    newer = f" to {needed} or newer" if needed else ""
    build = BUILDS.get(str(facts.driver_supports).split(".")[0])
    if build is None:
        return f"update the NVIDIA driver{newer}"
    command = f"pip install --force-reinstall torch torchvision --index-url .../whl/{build}"
    return (
        f"update the NVIDIA driver{newer}, or install the torch build for CUDA {facts.driver_supports}: "
        f"`{command}` (the selector on pytorch.org names the whole address)"
    )


def gather_cuda_facts() -> CudaFacts:
    """Query the machine and torch; never raises, and leaves no CUDA context behind unless CUDA works."""
    import torch

    supports, error = _driver_library()
    available = torch.cuda.is_available()
    error_text = ""
    if not available and torch.version.cuda is not None:
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as refusal:
            error_text = str(refusal).strip().splitlines()[0]
    return CudaFacts(
        built_for=torch.version.cuda,
        rocm=getattr(torch.version, "hip", None),
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        cards=_count_cards(),
        driver=_driver_version(),
        driver_supports=supports,
        driver_error=error,
        available=available,
        torch_error=error_text,
    )


def devices() -> tuple[TestedDevice, ...]:
    """Return every visible CUDA device, each tried with one real kernel."""
    import torch

    if not torch.cuda.is_available():
        return ()
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        kernel = _try_kernel(index)
        free = torch.cuda.mem_get_info(index)[0] if kernel == "ok" else None
        found.append(
            TestedDevice(
                index=index,
                name=properties.name,
                memory_bytes=properties.total_memory,
                free_bytes=free,
                capability=f"{properties.major}.{properties.minor}",
                kernel=kernel,
            )
        )
    return tuple(found)


def doctor_report() -> dict[str, object]:
    """Return everything that `python -m wmse_tui.engine.doctor` prints."""
    import torch
    import torchvision

    cuda = judge_cuda(gather_cuda_facts())
    found = devices()
    broken = [device for device in found if device.kernel != "ok"]
    if cuda.usable and len(broken) == len(found):
        why = broken[0].kernel if broken else "there is none"
        cuda = Cuda(
            usable=False,
            reason="kernel_failed",
            text=f"torch sees {_cards(len(found))}, but no kernel runs: {why}",
            fix="the card may be too old or too new for this torch build, or in exclusive use",
        )
    return {
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
        "threads": torch.get_num_threads(),
        "cuda": asdict(cuda),
        "devices": [asdict(device) for device in found],
    }


def _try_kernel(index: int) -> str:
    """The operations of a whitening on a device, a product and a Cholesky factor, compared with the CPU's."""
    import torch

    try:
        x = torch.linspace(-1, 1, 64 * 16).sin().reshape(64, 16)
        covariance = x.mT @ x / 63 + torch.eye(16)
        moved = x.to(f"cuda:{index}")
        there = moved.mT @ moved / 63 + torch.eye(16, device=moved.device)
        factor = torch.linalg.cholesky(there).cpu()
    except RuntimeError as refusal:
        return str(refusal).strip().splitlines()[0]
    if not torch.allclose(factor, torch.linalg.cholesky(covariance), atol=1e-2):
        return "a factorisation on this device disagrees with the CPU's"
    return "ok"


def _driver_library() -> tuple[str | None, int | None]:
    """Query libcuda: the CUDA version it serves, and cuInit's error if it has one."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
        version = ctypes.c_int()
        served = None
        if library.cuDriverGetVersion(ctypes.byref(version)) == 0 and version.value:
            served = f"{version.value // 1000}.{version.value % 1000 // 10}"
        return served, int(library.cuInit(0)) or None
    except (OSError, AttributeError):
        return None, None


def _driver_version() -> str | None:
    """Return the loaded kernel driver's version, or None without one."""
    try:
        return Path("/sys/module/nvidia/version").read_text().strip() or None
    except OSError:
        pass
    try:
        fields = Path("/proc/driver/nvidia/version").read_text().split()
    except OSError:
        return None
    return next((field for field in fields if field[:1].isdigit() and "." in field), None)


def _count_cards() -> int:
    """Count NVIDIA display controllers: those the driver lists, else those on the PCI bus."""
    listed = list(Path("/proc/driver/nvidia/gpus").glob("*"))
    nodes = list(Path("/dev").glob("nvidia[0-9]*"))
    if listed or nodes:
        return len(nodes)  # a container may list cards that it may not open
    cards = 0
    for device in Path("/sys/bus/pci/devices").glob("*"):
        try:
            vendor = (device / "vendor").read_text().strip()
            kind = (device / "class").read_text().strip()
        except OSError:
            continue
        cards += vendor == "0x10de" and kind.startswith("0x03")
    return cards


def _cards(count: int) -> str:
    return "one NVIDIA card" if count == 1 else f"{count} NVIDIA cards"


def _older(version: str | None, needed: str | None) -> bool:
    """Whether the served CUDA version is of an older major release (minor releases are compatible)."""
    if version is None or needed is None:
        return False
    return int(version.split(".")[0]) < int(needed.split(".")[0])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(doctor_report()) + "\n")
