"""Every way a run can fail, told as: what happened, the evidence, what is saved, what to do next."""

from __future__ import annotations

import errno
import traceback
from typing import Literal

import torch

from wmse_tui.config.problems import ConfigError
from wmse_tui.engine.errors import EngineError
from wmse_tui.runs.events import Error


def describe(error: BaseException, *, saved: str, stage: Literal["start", "training"]) -> Error:
    """The `error` event for an exception.

    Args:
        error: what ended the run.
        saved: the last good checkpoint in words, or what there is instead.
        stage: "start" before the first attempt event, "training" after it.
    """
    code, title, detail, steps = _explain(error)
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


def _explain(error: BaseException) -> tuple[str, str, str, tuple[str, ...]]:
    if isinstance(error, EngineError):
        return error.code, error.title, error.detail, error.next
    if isinstance(error, ConfigError):
        return "E_CONFIG", "the run's configuration cannot be used", str(error), ("start a new run",)
    if isinstance(error, torch.OutOfMemoryError):
        return (
            "E_GPU_OOM",
            "not enough GPU memory",
            _first_line(error),
            (
                "look for other processes on the GPU: nvidia-smi",
                "resume the run on another GPU: CUDA_VISIBLE_DEVICES=1 wmse-tui resume RUN",
                "a new run with compute.precision=bfloat16, which halves the activations",
                "or with a smaller schedule.batch_size (it changes the recipe)",
            ),
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            "E_DISK_FULL",
            "no space left for the run's files",
            f"{error.strerror}: {error.filename or 'the run directory'}",
            ("free some space there (`wmse-tui rm RUN` removes old runs)", "then resume the run"),
        )
    if isinstance(error, PermissionError):
        return "E_PERMISSION", "not allowed", str(error), ("check the owner and mode of that path",)
    text = str(error)
    if isinstance(error, RuntimeError) and ("</torch_" in text or "Bus error" in text):
        return (
            "E_SHM",
            "/dev/shm is too small for the loader's workers",
            _first_line(error),
            (
                "a container needs --shm-size=8g or --ipc=host; then resume the run",
                "or start a new run with --set compute.workers=0",
            ),
        )
    if isinstance(error, RuntimeError) and "DataLoader worker" in text:
        return (
            "E_WORKER",
            "a loader's worker died",
            f"{_first_line(error)}; most often the machine ran out of memory (see `dmesg`)",
            (
                "resume the run when more memory is free",
                "or start a new run with fewer workers: --set compute.workers=2",
            ),
        )
    if isinstance(error, RuntimeError) and "CUDA error" in text:
        return (
            "E_CUDA",
            "the GPU reported an error",
            _first_line(error),
            (
                "resume the run: its process, and with it the broken CUDA context, is gone",
                "`wmse-tui doctor`",
            ),
        )
    return (
        "E_INTERNAL",
        f"{type(error).__name__} in the trainer",
        _first_line(error),
        ("the traceback is in trainer.log (`wmse-tui logs RUN`)", "resume the run once the cause is mended"),
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
