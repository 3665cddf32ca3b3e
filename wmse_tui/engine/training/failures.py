"""Explanations of failed runs: what happened, the evidence, what is saved, what to do next.

The first row of the table `FAILURES` that matches an exception explains it; without a match it is an internal
error. The patterns are error messages of torch 2.10 to 2.14 and of the libraries it uses.
"""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
import traceback
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import torch

from wmse_tui.config.problems import ConfigError, ExplainedError
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.main_memory import main_memory
from wmse_tui.engine.training.gpu_users import gpu_users
from wmse_tui.runs.errors import SYSTEM_STEPS
from wmse_tui.runs.log.events import Error
from wmse_tui.runs.preflight import nearest_existing
from wmse_tui.runs.text.units import size

SHM = "/dev/shm"

Match: TypeAlias = Callable[[BaseException], bool]
Evidence: TypeAlias = Callable[[BaseException], str]


class Failure(NamedTuple):
    """A row of the table.

    Attributes:
        match: whether an exception is of this kind.
        code, title: of the `error` event.
        detail: the evidence, from the exception and from the machine as it is now.
        steps: what the user can do, most promising first.
    """

    match: Match
    code: str
    title: str
    detail: Evidence
    steps: tuple[str, ...]


def error_event(
    error: BaseException,
    *,
    saved: str,
    stage: Literal["start", "training"],
    files: tuple[str, ...] = (),
) -> Error:
    """The `error` event for an exception.

    Args:
        error: what ended the run.
        saved: the last good checkpoint as text, or what there is instead.
        stage: "start" before the first attempt event, "training" after it.
        files: names of the image files that cannot be read, if that is why.
    """
    code, title, detail, steps = _explain(error)
    if stage == "start":  # a new run may have been removed by the time this is read
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
        files=files,
    )


def _explain(error: BaseException) -> tuple[str, str, str, tuple[str, ...]]:
    """Code, title, detail and next steps."""
    if isinstance(error, ExplainedError):
        return error.code, error.title, error.detail, error.next
    if isinstance(error, ConfigError):
        return "E_CONFIG", "the run's configuration cannot be used", str(error), ("start a new run",)
    for failure in FAILURES:
        if failure.match(error):
            return failure.code, failure.title, _evidence(failure, error), failure.steps
    return (
        "E_INTERNAL",
        f"{type(error).__name__} in the trainer",
        _first_line(error),
        (
            "the traceback is in trainer.log (`wmse-tui logs --raw RUN`)",
            "resume the run once the cause is fixed",
        ),
    )


def _evidence(failure: Failure, error: BaseException) -> str:
    """The detail; the bare message where it cannot be had: what is explained is the first error."""
    try:
        return failure.detail(error)
    except Exception as second:  # noqa: BLE001  a folder that may not be entered, a driver that is gone ...
        return f"{_first_line(error)} (nothing more is known: {type(second).__name__}: {_first_line(second)})"


def _instance_of(*kinds: type[BaseException]) -> Match:
    return lambda error: isinstance(error, kinds)


def _message_has(*texts: str, kinds: tuple[type[BaseException], ...] = (RuntimeError,)) -> Match:
    """Exceptions of these kinds whose message contains one of `texts`."""
    return lambda error: isinstance(error, kinds) and any(text in str(error) for text in texts)


def _message_is(text: str) -> Match:
    """A RuntimeError with this message."""
    return lambda error: isinstance(error, RuntimeError) and str(error) == text


def _errno(*numbers: int) -> Match:
    return lambda error: isinstance(error, OSError) and error.errno in numbers


def _any_of(*matches: Match) -> Match:
    return lambda error: any(match(error) for match in matches)


def _first_line(error: BaseException, containing: str = "") -> str:
    """The first line of the message that has this text: a worker's message begins with a traceback."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if containing in line), lines[0])


def _gpu_memory(error: BaseException) -> str:
    """What torch reports, and which processes use the memory of the cards."""
    return "\n".join((_first_line(error), *_own_gpu_memory(), *gpu_users()))


def _of_nccl(error: BaseException) -> str:
    """The first line, which names the kind of the error, and what NCCL adds at the end."""
    head, _, last = str(error).partition("Last error:")
    return "\n".join((head.splitlines()[0], *last.split("\n")[1:]))


def _own_gpu_memory() -> tuple[str, ...]:
    """The GPU memory of this process; empty if it has used no GPU."""
    with suppress(RuntimeError, AssertionError):
        if torch.cuda.is_initialized() and torch.cuda.max_memory_reserved():
            peak, reserved = torch.cuda.max_memory_allocated(), torch.cuda.memory_reserved()
            return (f"this run: peak {size(peak)} in tensors, {size(reserved)} are reserved",)
    return ()


def _main_memory(error: BaseException) -> str:
    return _first_line(error) + _memory_left()


def _shared_memory(error: BaseException) -> str:
    return _first_line(error, "</torch_") + _space(SHM)


def _worker(error: BaseException) -> str:
    return f"{_first_line(error)}; most often the machine ran out of memory (see `dmesg`){_memory_left()}"


def _path(error: BaseException) -> str:
    assert isinstance(error, OSError)
    reason = error.strerror or _first_line(error)
    return reason if error.filename is None else f"{reason}: {error.filename}"


def _path_and_space(error: BaseException) -> str:
    return _path(error) + _space(getattr(error, "filename", None))


def _path_and_owner(error: BaseException) -> str:
    return _path(error) + _ownership(getattr(error, "filename", None))


def _space(path: object) -> str:
    """The free space at a path, in brackets."""
    if not isinstance(path, (str, os.PathLike)):
        return ""
    try:
        usage = shutil.disk_usage(nearest_existing(Path(os.fspath(path))))
    except OSError:
        return ""
    return f" ({size(usage.free)} of {size(usage.total)} free)"


def _ownership(path: object) -> str:
    """The owner of an unusable path, and the user of this process, in brackets."""
    if not isinstance(path, (str, os.PathLike)):
        return ""
    existing = nearest_existing(Path(os.fspath(path)))
    try:
        status = existing.stat()
    except OSError:
        return ""
    owner = f"{existing} belongs to uid {status.st_uid}, mode {status.st_mode & 0o7777:04o}"
    return f" ({owner}; this is uid {os.geteuid()})"


def _memory_left() -> str:
    """The memory of the machine now; the memory that was missing may have been freed already."""
    return f" (now {main_memory().text()})"


_LESS_GPU_MEMORY = (
    "resume the run when the card is free (nvidia-smi shows who uses it now)",
    "or let it see another card only: CUDA_VISIBLE_DEVICES=1 before the command",
    "a new run with compute.precision=bfloat16, which halves the activations",
    "or with a smaller schedule.batch_size (it changes the recipe)",
    "in an evaluation: resume the run with smaller batches: --set evaluation.batch_size=100",
)
_LESS_SHARED_MEMORY = (
    "a container needs --shm-size=8g or --ipc=host; then resume the run",
    "or resume the run without workers: --set compute.workers=0",
)
_TRAIN_ON_CPU = "or resume the run on the CPU: --set compute.device=cpu"
_UPDATE_DRIVER = (
    "`wmse-tui doctor` shows which versions were found and which are needed",
    "update the NVIDIA driver, or install a torch build for the CUDA version it serves",
    "then resume the run",
    _TRAIN_ON_CPU,
)

FAILURES = (
    Failure(
        _any_of(
            _instance_of(torch.OutOfMemoryError),
            _message_has(
                "CUDA error: out of memory",
                "CUDA driver error: out of memory",
                "CUBLAS_STATUS_ALLOC_FAILED",
                "CUDNN_STATUS_ALLOC_FAILED",
                "CUSOLVER_STATUS_ALLOC_FAILED",
                # A library's handle is made at its first use, and there is no memory left for it.
                "CUBLAS_STATUS_NOT_INITIALIZED",
                "CUDNN_STATUS_NOT_INITIALIZED",
                "CUSOLVER_STATUS_NOT_INITIALIZED",
                "NVML_SUCCESS == r",  # the allocator fails to ask NVML how much it lacks
                "'out of memory'",  # as NCCL quotes CUDA
            ),
        ),
        "E_GPU_OOM",
        "not enough GPU memory",
        _gpu_memory,
        _LESS_GPU_MEMORY,
    ),
    Failure(
        # cuDNN tries its algorithms for a convolution, and torch drops the error of each that needs more
        # memory than there is.
        _message_has("was unable to find an engine to execute this computation"),
        "E_GPU_OOM",
        "not enough GPU memory for a convolution",
        _gpu_memory,
        (*_LESS_GPU_MEMORY, "where memory is free: `wmse-tui doctor`, and a run in the other precision"),
    ),
    Failure(
        _any_of(
            _instance_of(MemoryError),
            lambda error: not isinstance(error, EngineError) and "DefaultCPUAllocator" in str(error),
            _message_is("could not create a primitive"),  # oneDNN has no memory for the code of a kernel
        ),
        "E_MEMORY",
        "not enough memory in this machine",
        _main_memory,
        (
            "resume the run when more memory is free, or on another machine",
            "a new run with compute.loader=workers, which reads images as they are needed",
            "or with a smaller schedule.batch_size (it changes the recipe)",
        ),
    ),
    Failure(
        lambda error: isinstance(error, OSError) and error.filename == SHM,
        "E_SHM",
        "the loader's workers cannot use /dev/shm",
        _path,
        _LESS_SHARED_MEMORY,
    ),
    Failure(
        _errno(errno.ENOSPC),
        "E_DISK_FULL",
        "no space left for the run's files",
        _path_and_space,
        (SYSTEM_STEPS[errno.ENOSPC], "then resume the run"),
    ),
    Failure(
        _errno(errno.EDQUOT),
        "E_DISK_FULL",
        "the quota for the run's files is used up",
        _path,  # the space that is free on the disk is not for this user
        (SYSTEM_STEPS[errno.EDQUOT], "then resume the run"),
    ),
    Failure(
        _errno(errno.EFBIG),
        "E_FILE_SIZE",
        "the system does not allow this process to write files this large",
        _path,
        (SYSTEM_STEPS[errno.EFBIG], "then resume the run"),
    ),
    Failure(
        _errno(errno.EACCES, errno.EPERM, errno.EROFS),
        "E_PERMISSION",
        "not allowed",
        _path_and_owner,
        (SYSTEM_STEPS[errno.EACCES], "then resume the run"),
    ),
    Failure(
        _errno(errno.EIO, errno.ESTALE),
        "E_DISK",
        "the disk reports an error",
        _path,
        (SYSTEM_STEPS[errno.EIO], "then resume the run"),
    ),
    Failure(
        _errno(errno.ENOENT), "E_MISSING", "a file is missing", _path, ("restore it", "then resume the run")
    ),
    *(
        Failure(
            _errno(number),
            "E_SYSTEM",
            "the system refuses what the trainer needs",
            _path,
            (SYSTEM_STEPS[number], "then resume the run"),
        )
        for number in (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOTCONN)
    ),
    Failure(
        _message_has("can't start new thread"),  # of Python, which drops the number of the error
        "E_SYSTEM",
        "the system refuses what the trainer needs",
        _first_line,
        (SYSTEM_STEPS[errno.EAGAIN], "then resume the run"),
    ),
    Failure(
        _message_has("</torch_", "Bus error"),
        "E_SHM",
        "/dev/shm is too small for the loader's workers",
        _shared_memory,
        _LESS_SHARED_MEMORY,
    ),
    Failure(
        _message_has("DataLoader worker"),
        "E_WORKER",
        "a loader's worker died",
        _worker,
        (
            "resume the run when more memory is free",
            "or resume the run with fewer workers: --set compute.workers=2",
        ),
    ),
    Failure(
        _message_has(
            "NVIDIA driver on your system is too old",
            "CUDA driver version is insufficient",
            "no kernel image is available",
            "forward compatibility was attempted",
            "Found no NVIDIA driver",
            "not compiled with CUDA enabled",
            "failed to open libnvrtc-builtins",
            kinds=(RuntimeError, AssertionError),
        ),
        "E_DRIVER",
        "the GPU driver and this torch build are incompatible",
        _first_line,
        _UPDATE_DRIVER,
    ),
    Failure(
        _message_has("CUDA unknown error", "system not yet initialized", "system not ready"),
        "E_DRIVER",
        "the GPU driver cannot start CUDA",
        _first_line,
        (
            "check whether `nvidia-smi` works; a driver updated without a reboot needs one",
            "on a machine with NVSwitch the service nvidia-fabricmanager must run (error 802)",
            "check CUDA_VISIBLE_DEVICES; `wmse-tui doctor` shows what was found",
            "then resume the run",
            _TRAIN_ON_CPU,
        ),
    ),
    Failure(
        _message_has(
            "CUDA error",
            "CUDA driver error",
            "cuDNN error",
            "cusolver error",
            "cusparse error",
            "cufft error",
            "CUBLAS_STATUS",
            "CUDNN_STATUS",
            "CUSOLVER_STATUS",
            "nvrtc: error",
        ),
        "E_CUDA",
        "the GPU reported an error",
        _first_line,
        (
            "resume the run: its process has ended, and the broken CUDA context with it",
            "if it happens again: `wmse-tui doctor`, and `dmesg` for lines with Xid",
        ),
    ),
    Failure(
        _message_has("NCCL error"),
        "E_NCCL",
        "the GPUs could not exchange what they compute",
        _of_nccl,
        (
            "resume the run with NCCL_DEBUG=INFO before the command: trainer.log then has the reason",
            "with NCCL, a container needs --shm-size=8g or --ipc=host; then resume the run",
            "on several machines: NCCL_SOCKET_IFNAME=ib0 names the interface that connects them",
            "`wmse-tui doctor` shows how the GPUs are connected",
            "or resume the run on one GPU: --set compute.devices=1",
        ),
    ),
    Failure(
        _any_of(
            _instance_of(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError),
            _message_has("not found or corrupted", "PytorchStreamReader", kinds=(Exception,)),
        ),
        "E_DATA",
        "a file of the data is damaged",
        _first_line,
        ("remove the damaged file from the data folder, then resume the run: it is fetched again",),
    ),
)
