"""Which device trains, and why: `compute.device` resolved to a torch device and a reason as text."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from wmse_tui.config.sections.compute import Compute
from wmse_tui.engine.doctor import explain, gather
from wmse_tui.engine.errors import DeviceError


@dataclass(frozen=True, slots=True)
class ChosenDevice:
    """A usable device with its name and the reason it was chosen, both for people."""

    torch: torch.device
    name: str
    reason: str


def choose_device(wanted: str) -> ChosenDevice:
    """Resolve `auto`, `cpu`, `cuda` or `cuda:N`.

    `CUDA_VISIBLE_DEVICES` is respected: N counts the visible GPUs.

    Raises:
        DeviceError: CUDA was requested and cannot be used, with the reason.
    """
    if wanted == "cpu":
        return ChosenDevice(torch.device("cpu"), _cpu_name(), "asked for")
    cuda = explain(gather())
    if wanted == "auto" and not cuda.usable:
        return ChosenDevice(torch.device("cpu"), _cpu_name(), cuda.text)
    if not cuda.usable:
        raise DeviceError(
            f"compute.device={wanted} cannot be used",
            cuda.text,
            next=(cuda.fix, "`wmse-tui doctor` shows more", "train on the CPU: --set compute.device=cpu"),
        )
    count = torch.cuda.device_count()
    index = int(wanted.partition(":")[2] or 0) if wanted != "auto" else 0
    if index >= count:
        raise DeviceError(
            f"compute.device={wanted} does not exist",
            f"{count} visible GPU{'s' if count > 1 else ''}, counted from cuda:0",
            next=(
                f"use one of {', '.join(f'cuda:{i}' for i in range(count))}",
                "check CUDA_VISIBLE_DEVICES",
            ),
        )
    why = "the first visible GPU" if wanted in ("auto", "cuda") else "asked for"
    return ChosenDevice(torch.device("cuda", index), torch.cuda.get_device_name(index), why)


def _cpu_name() -> str:
    return f"CPU, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"


def prepare(device: torch.device, *, deterministic: bool) -> None:
    """Set the process-wide switches of torch before the first kernel runs.

    `deterministic` is slower on a GPU and gives the same bits from the same start; otherwise cuDNN tries its
    algorithms and uses the fastest, as the paper's code does.
    """
    if deterministic:
        # cuBLAS reads this when its first handle is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    if device.type == "cuda":
        torch.cuda.set_device(device)


def autocast(compute: Compute, device: torch.device) -> torch.autocast:
    """The arithmetic of a step: `compute.precision`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=compute.precision == "bfloat16")
