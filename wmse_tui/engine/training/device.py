"""Which device trains, and why: `compute.device` resolved to a torch device and a reason as text."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from wmse_tui.config.advice import needs_eigenvectors
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.doctor import Cuda, gather_cuda_facts, judge_cuda
from wmse_tui.engine.errors import DeviceError

BFLOAT16_CAPABILITY = 8
"""The first compute capability, by its major number, with bfloat16 matrix units."""

NO_CARD = frozenset({"no_card", "hidden"})
"""The reasons of `doctor.judge_cuda` that need no warning: there is no GPU, or the user has hidden it."""


@dataclass(frozen=True, slots=True)
class ChosenDevice:
    """A usable device.

    Args:
        torch: the torch device.
        name, reason: what it is, and why it was chosen, for people.
        bfloat16: it is a GPU that computes in bfloat16.
        warning: for people, where a GPU is there and cannot be used: why, and what to do; else empty.
    """

    torch: torch.device
    name: str
    reason: str
    warning: str = ""
    bfloat16: bool = False


def choose_device(requested: str, *, setting: str = "") -> ChosenDevice:
    """Resolve `auto`, `cpu`, `cuda` or `cuda:N`.

    `CUDA_VISIBLE_DEVICES` is respected: N counts the visible GPUs.

    Args:
        requested: the device.
        setting: what requested it, as an error names it; empty: `compute.device`.

    Raises:
        DeviceError: CUDA was requested and cannot be used, with the reason.
    """
    if requested == "cpu":
        return ChosenDevice(torch.device("cpu"), _cpu_name(), "requested")
    cuda = judge_cuda(gather_cuda_facts())
    if requested == "auto" and not cuda.usable:
        return ChosenDevice(torch.device("cpu"), _cpu_name(), cuda.text, unused_card_warning(cuda))
    if not cuda.usable:
        raise DeviceError(
            f"{setting or f'compute.device={requested}'} cannot be used",
            cuda.text,
            next=(cuda.fix, "`wmse-tui doctor` shows more", "train on the CPU: --set compute.device=cpu"),
        )
    count = torch.cuda.device_count()
    index = int(requested.partition(":")[2] or 0) if requested != "auto" else 0
    if index >= count:
        raise DeviceError(
            f"compute.device={requested} does not exist",
            f"{count} visible GPU{'s' if count > 1 else ''}, counted from cuda:0",
            next=(
                f"use one of {', '.join(f'cuda:{i}' for i in range(count))}",
                "check CUDA_VISIBLE_DEVICES",
            ),
        )
    why = "the first visible GPU" if requested in ("auto", "cuda") else "requested"
    device = torch.device("cuda", index)
    return ChosenDevice(device, torch.cuda.get_device_name(index), why, bfloat16=_has_bfloat16(device))


def unused_card_warning(cuda: Cuda) -> str:
    """Why the GPU of this machine is not used and what to do; empty where there is none, or it is hidden."""
    if cuda.usable or cuda.reason in NO_CARD:
        return ""
    return f"this machine has a GPU, and training uses the CPU: {cuda.text}. {cuda.fix}"


def faster_options(experiment: Experiment, device: ChosenDevice) -> str:
    """Which options train faster on this GPU and why, for people; empty where there are none.

    The options are not set by themselves: bfloat16 changes the numbers of a training.
    """
    if not device.bfloat16:
        return ""
    compute = experiment.compute
    slower = {
        "precision": compute.precision != "bfloat16",
        "compile": compute.compile != "graph" and not needs_eigenvectors(experiment),
    }
    fast = {"precision": "bfloat16", "compile": "graph"}
    reasons = {
        "precision": "its matrix units compute the encoder in bfloat16 at twice the rate of TF32",
        "compile": "a recorded step costs the host one launch instead of hundreds",
    }
    wanted = [name for name, is_slower in slower.items() if is_slower]
    if not wanted:
        return ""
    settings = " ".join(f"--set compute.{name}={fast[name]}" for name in wanted)
    why = ", and ".join(reasons[name] for name in wanted)
    return f"{device.name} is expected to train faster with {settings}: {why}; not yet run on a GPU"


def _has_bfloat16(device: torch.device) -> bool:
    return torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= BFLOAT16_CAPABILITY


def require_precision(precision: str, device: torch.device) -> None:
    """Refuse bfloat16 on a GPU without it: cuDNN has no convolution for it, and fails without saying why.

    Raises:
        DeviceError: the GPU is older than compute capability 8.0.
    """
    if precision != "bfloat16" or device.type != "cuda" or _has_bfloat16(device):
        return
    major, minor = torch.cuda.get_device_capability(device)
    raise DeviceError(
        "compute.precision=bfloat16 needs a newer GPU",
        f"{torch.cuda.get_device_name(device)} has compute capability {major}.{minor}, "
        f"bfloat16 begins at {BFLOAT16_CAPABILITY}.0",
        next=("a new run with --set compute.precision=float32", "or another GPU"),
    )


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
