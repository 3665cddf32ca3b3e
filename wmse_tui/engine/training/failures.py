"""Every way a run can fail, told as: what happened, the evidence, what is saved, what to do next."""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
import traceback
import zipfile
import zlib
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from wmse_tui.config.problems import ConfigError
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.training.gpu_users import gpu_users
from wmse_tui.runs.log.events import Error
from wmse_tui.runs.preflight import nearest_existing
from wmse_tui.runs.text.units import size

SHM = "/dev/shm"
Told: TypeAlias = tuple[str, str, str, tuple[str, ...]]
"""Code, title, detail, what to do next."""


def describe(error: BaseException, *, saved: str, stage: Literal["start", "training"]) -> Error:
    """The `error` event for an exception.

    Args:
        error: what ended the run.
        saved: the last good checkpoint in words, or what there is instead.
        stage: "start" before the first attempt event, "training" after it.
    """
    code, title, detail, steps = _explain(error)
    if stage == "start":  # a new run may be gone by the time somebody reads this
        steps = tuple(step.replace("resume the run", "start the run again") for step in steps)
    unknown = code == "E_INTERNAL"
    return Error(
        code=code,
        title=title,
        detail=detail,
        saved=saved,
        next=steps,
        stage=stage,
        traceback="".join(traceback.format_exception(error)) if unknown else "",
    )


def _explain(error: BaseException) -> Told:
    if isinstance(error, EngineError):
        return error.code, error.title, error.detail, error.next
    if isinstance(error, ConfigError):
        return "E_CONFIG", "the run's configuration cannot be used", str(error), ("start a new run",)
    for kind in (_memory, _disk, _workers, _device, _data):
        found = kind(error, str(error))
        if found is not None:
            return found
    return (
        "E_INTERNAL",
        f"{type(error).__name__} in the trainer",
        _first_line(error),
        ("the traceback is in trainer.log (`wmse-tui logs RUN`)", "resume the run once the cause is mended"),
    )


def _memory(error: BaseException, text: str) -> Told | None:
    """The GPU's memory, or the machine's, is used up."""
    if isinstance(error, torch.OutOfMemoryError) or any(said in text for said in _GPU_FULL):
        return (
            "E_GPU_OOM",
            "not enough GPU memory",
            "\n".join((_first_line(error), *gpu_users())),
            (
                "resume the run when the card is free (nvidia-smi shows who uses it now)",
                "or let it see another card only: CUDA_VISIBLE_DEVICES=1 before the command",
                "a new run with compute.precision=bfloat16, which halves the activations",
                "or with a smaller schedule.batch_size (it changes the recipe)",
                "in an evaluation: a new run with a smaller evaluation.batch_size (it changes nothing)",
            ),
        )
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in text:
        return (
            "E_MEMORY",
            "not enough memory in this machine",
            _first_line(error) + _memory_left(),
            (
                "resume the run when more memory is free, or on another machine",
                "a new run with compute.loader=workers, which reads images as they are needed",
                "or with a smaller schedule.batch_size (it changes the recipe)",
            ),
        )
    return None


def _disk(error: BaseException, _text: str) -> Told | None:
    """The disk, its limits or its owner refuse."""
    if not isinstance(error, OSError):
        return None
    where = str(error.filename or "the run directory")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            "E_DISK_FULL",
            "no space left for the run's files",
            f"{error.strerror}: {where}{_space(error.filename)}",
            ("free some space there (`wmse-tui rm RUN` removes old runs)", "then resume the run"),
        )
    if error.errno == errno.EFBIG:
        return (
            "E_FILE_SIZE",
            "the system does not let this process write files so large",
            f"{error.strerror}: {where}",
            ("raise the limit of the shell or the job: ulimit -f unlimited", "then resume the run"),
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            "E_PERMISSION",
            "not allowed",
            f"{error.strerror}: {where}{_ownership(error.filename)}",
            ("check the owner and mode of that path", "then resume the run"),
        )
    if error.errno in (errno.EIO, errno.ESTALE):
        return (
            "E_DISK",
            "the disk does not answer as it should",
            f"{error.strerror}: {where}",
            ("see what `dmesg` says of the disk or of the file server", "then resume the run"),
        )
    if error.errno == errno.ENOENT:
        return (
            "E_MISSING",
            "a file is missing",
            f"{error.strerror}: {where}",
            ("bring it back", "then resume the run"),
        )
    return None


def _workers(error: BaseException, text: str) -> Told | None:
    """A loader's worker is dead, or what it works in is too small."""
    if not isinstance(error, RuntimeError):
        return None
    if "</torch_" in text or "Bus error" in text:
        return (
            "E_SHM",
            "/dev/shm is too small for the loader's workers",
            _first_line(error, "</torch_") + _space(SHM),
            (
                "a container needs --shm-size=8g or --ipc=host; then resume the run",
                "or start a new run with --set compute.workers=0",
            ),
        )
    if "DataLoader worker" in text:
        return (
            "E_WORKER",
            "a loader's worker died",
            f"{_first_line(error)}; most often the machine ran out of memory (see `dmesg`){_memory_left()}",
            (
                "resume the run when more memory is free",
                "or start a new run with fewer workers: --set compute.workers=2",
            ),
        )
    return None


def _device(error: BaseException, text: str) -> Told | None:
    """The GPU, or its driver, cannot do what is asked."""
    if not isinstance(error, (RuntimeError, AssertionError)):
        return None
    if any(said in text for said in _DRIVER):
        return (
            "E_DRIVER",
            "the GPU's driver and this torch do not fit together",
            _first_line(error),
            (
                "`wmse-tui doctor` tells which versions were found and which are needed",
                "update the NVIDIA driver, or install a torch build for the CUDA version it serves",
                "then resume the run",
            ),
        )
    if any(said in text for said in _GPU_BROKEN):
        return (
            "E_CUDA",
            "the GPU reported an error",
            _first_line(error),
            (
                "resume the run: its process, and with it the broken CUDA context, is gone",
                "if it happens again: `wmse-tui doctor`, and `dmesg` for lines with Xid",
            ),
        )
    return None


def _data(error: BaseException, text: str) -> Told | None:
    """Files of a data set that are not what they should be."""
    archive = isinstance(error, (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError))
    if archive or "not found or corrupted" in text or "PytorchStreamReader" in text:
        return (
            "E_DATA",
            "a file of the data is damaged",
            _first_line(error),
            ("remove the damaged file from the data folder, then resume the run: it is fetched again",),
        )
    return None


_GPU_FULL = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
_GPU_BROKEN = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS", "cuSOLVER error")
_DRIVER = (
    "NVIDIA driver on your system is too old",
    "CUDA driver version is insufficient",
    "no kernel image is available",
    "forward compatibility was attempted",
    "Found no NVIDIA driver",
    "not compiled with CUDA enabled",
)


def _space(path: object) -> str:
    """How much room there is at a path, as the end of a sentence."""
    if not isinstance(path, (str, os.PathLike)):
        return ""
    try:
        usage = shutil.disk_usage(nearest_existing(Path(os.fspath(path))))
    except OSError:
        return ""
    return f" ({size(usage.free)} of {size(usage.total)} free)"


def _ownership(path: object) -> str:
    """Who owns what cannot be used, and who we are."""
    if not isinstance(path, (str, os.PathLike)):
        return ""
    place = nearest_existing(Path(os.fspath(path)))
    try:
        status = place.stat()
    except OSError:
        return ""
    owner = f"{place} belongs to uid {status.st_uid}, mode {status.st_mode & 0o7777:04o}"
    return f" ({owner}; this is uid {os.geteuid()})"


def _memory_left() -> str:
    """The machine's memory as it is now: what was too much may be gone already."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        values = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines}
        return f" (now {size(values['MemAvailable'])} of {size(values['MemTotal'])} free)"
    except (OSError, ValueError, KeyError, IndexError):
        return ""


def _first_line(error: BaseException, holding: str = "") -> str:
    """The first line of its text, or that which holds the cause: a worker's comes with its traceback."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if holding in line), lines[0])
