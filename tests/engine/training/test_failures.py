"""What a person is told when a run fails: the code, the evidence, what to do next."""

from __future__ import annotations

import errno

import pytest
import torch

from wmse_tui.config.problems import ConfigError, Problem
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.training.failures import describe

SHM = "unable to allocate shared memory(shm) for file </torch_12_34>: No space left on device (28)"
BUS = (
    "DataLoader worker (pid 12) is killed by signal: Bus error. It is possible that dataloader's workers are "
    "out of shared memory. Please try to raise your shared memory limit."
)
UNWRITTEN = "unable to write to file </torch_12_34>: No space left on device (28)"
CASES: list[tuple[BaseException, str, str]] = [
    (DataError("no images in /data", "expected class folders", next=("look there",)), "E_DATA", "look there"),
    (ConfigError((Problem("seed", "is wrong"),)), "E_CONFIG", "start a new run"),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "E_GPU_OOM", "nvidia-smi"),
    (OSError(errno.ENOSPC, "No space left on device", "/runs/x"), "E_DISK_FULL", "free some space"),
    (PermissionError(errno.EACCES, "Permission denied", "/data"), "E_PERMISSION", "owner and mode"),
    (RuntimeError(SHM), "E_SHM", "--shm-size=8g"),
    (RuntimeError(BUS), "E_SHM", "compute.workers=0"),
    (RuntimeError(UNWRITTEN), "E_SHM", "--ipc=host"),
    (RuntimeError("DataLoader worker (pid(s) 12) exited unexpectedly"), "E_WORKER", "compute.workers=2"),
    (RuntimeError("CUDA error: an illegal memory access"), "E_CUDA", "resume the run"),
    (ZeroDivisionError("division by zero"), "E_INTERNAL", "trainer.log"),
]


@pytest.mark.parametrize(
    ("error", "code", "advice"), CASES, ids=lambda case: case if isinstance(case, str) else ""
)
def test_every_failure_has_a_code_and_a_next_step(error: BaseException, code: str, advice: str) -> None:
    event = describe(error, saved="checkpoint step-00000001.pt", stage="training")
    assert event.code == code
    assert any(advice in step for step in event.next)
    assert event.title
    assert event.detail
    assert bool(event.traceback) == (code == "E_INTERNAL")


@pytest.mark.parametrize(("error", "code", "advice"), CASES)
def test_no_advice_is_to_resume_with_other_options(error: BaseException, code: str, advice: str) -> None:
    """The configuration of a run is frozen; `wmse-tui resume` takes no --set."""
    for step in describe(error, saved="", stage="training").next:
        assert "--set" not in step or "new run" in step, (code, advice)


def test_a_small_dev_shm_is_not_called_a_full_disk() -> None:
    event = describe(RuntimeError(SHM), saved="", stage="training")
    assert "/dev/shm" in event.title
