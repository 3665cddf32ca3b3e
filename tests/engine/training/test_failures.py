"""What the log reports when a run fails: the code, the evidence, what to do next."""

from __future__ import annotations

import errno
import os
import resource
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from wmse_tui.config.problems import ConfigError, Problem
from wmse_tui.config.rebindable import REBINDABLE
from wmse_tui.engine.errors import CheckpointError, DataError, DeviceError, Diverged, WhiteningFailed
from wmse_tui.engine.jsonl import keys_in
from wmse_tui.engine.training import failures, gpu_users
from wmse_tui.engine.training.checkpoints import save_checkpoint
from wmse_tui.engine.training.failures import error_event

SHM = "unable to allocate shared memory(shm) for file </torch_12_34>: No space left on device (28)"
FROM_A_WORKER = (
    f"Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback:\n  ...\nRuntimeError: {SHM}"
)
BUS = (
    "DataLoader worker (pid 12) is killed by signal: Bus error. It is possible that dataloader's workers are "
    "out of shared memory. Please try to raise your shared memory limit."
)
CPU_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
)
OLD_DRIVER = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by "
    "downloading and installing a new version"
)
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"
FIND_ENGINE = "FIND was unable to find an engine to execute this computation"
UNKNOWN = (
    "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable "
    "CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero."
)
NCCL = (
    "NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:77, unhandled system error (run with "
    "NCCL_DEBUG=INFO for details), NCCL version 2.26.2\n"
    "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.\n"
    "Last error:\n"
)
NO_ROUTE = "socketStartConnect: Connect to 192.168.19.14<52822> failed : No route to host"
UNWRITTEN = "unable to write to file </torch_12_34>: No space left on device (28)"
CASES: list[tuple[BaseException, str, str]] = [
    (DataError("no images in /data", "expected class folders", next=("look there",)), "E_DATA", "look there"),
    (ConfigError((Problem("seed", "is wrong"),)), "E_CONFIG", "start a new run"),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "E_GPU_OOM", "nvidia-smi"),
    (OSError(errno.ENOSPC, "No space left on device", "/runs/x"), "E_DISK_FULL", "free some space"),
    (OSError(errno.EDQUOT, "Disk quota exceeded", "/runs/x"), "E_DISK_FULL", "free some space"),
    (OSError(errno.EFBIG, "File too large", "/runs/x"), "E_FILE_SIZE", "ulimit -f"),
    (OSError(errno.EIO, "Input/output error", "/runs/x"), "E_DISK", "dmesg"),
    (PermissionError(errno.EACCES, "Permission denied", "/data"), "E_PERMISSION", "owner and mode"),
    (OSError(errno.EROFS, "Read-only file system", "/data/x"), "E_PERMISSION", "owner and mode"),
    (
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/x.bin"),
        "E_MISSING",
        "restore it",
    ),
    (RuntimeError("CUDA error: out of memory"), "E_GPU_OOM", "compute.precision=bfloat16"),
    (
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
        "E_GPU_OOM",
        "batch",
    ),
    (RuntimeError(CPU_MEMORY), "E_MEMORY", "more memory"),
    (MemoryError(), "E_MEMORY", "more memory"),
    (RuntimeError(OLD_DRIVER), "E_DRIVER", "update the NVIDIA driver"),
    (RuntimeError(NO_KERNEL), "E_DRIVER", "doctor"),
    (AssertionError("Torch not compiled with CUDA enabled"), "E_DRIVER", "doctor"),
    (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "E_CUDA", "resume the run"),
    (RuntimeError("CUDA error: device-side assert triggered"), "E_CUDA", "Xid"),
    (RuntimeError("Dataset not found or corrupted. You can use download=True"), "E_DATA", "fetched again"),
    (zipfile.BadZipFile("File is not a zip file"), "E_DATA", "fetched again"),
    (tarfile.ReadError("unexpected end of data"), "E_DATA", "fetched again"),
    (RuntimeError("PytorchStreamReader failed reading zip archive"), "E_DATA", "fetched again"),
    (
        Diverged("the loss is not finite", "step 9", next=("a lower optimizer.lr",)),
        "E_NONFINITE",
        "optimizer.lr",
    ),
    (WhiteningFailed("a slice is collapsed", "3 of 64", next=("more images",)), "E_WHITENING", "more images"),
    (CheckpointError("x is damaged", "y", next=("use an older one",)), "E_CHECKPOINT", "older"),
    (DeviceError("cuda:3 does not exist", "2 GPUs", next=("use cuda:0",)), "E_DEVICE", "cuda:0"),
    (RuntimeError(SHM), "E_SHM", "--shm-size=8g"),
    (RuntimeError(BUS), "E_SHM", "compute.workers=0"),
    (RuntimeError(UNWRITTEN), "E_SHM", "--ipc=host"),
    (RuntimeError("DataLoader worker (pid(s) 12) exited unexpectedly"), "E_WORKER", "compute.workers=2"),
    (RuntimeError("CUDA error: an illegal memory access"), "E_CUDA", "resume the run"),
    (RuntimeError(FIND_ENGINE), "E_GPU_OOM", "schedule.batch_size"),
    (RuntimeError(FIND_ENGINE.replace("FIND", "GET")), "E_GPU_OOM", "schedule.batch_size"),
    (RuntimeError("CUDA driver error: out of memory"), "E_GPU_OOM", "nvidia-smi"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `x`"), "E_GPU_OOM", "nvidia-smi"),
    (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), "E_GPU_OOM", "nvidia-smi"),
    (RuntimeError("NVML_SUCCESS == r INTERNAL ASSERT FAILED at x.cpp"), "E_GPU_OOM", "nvidia-smi"),
    (RuntimeError("cusolver error: CUSOLVER_STATUS_EXECUTION_FAILED, when calling `x`"), "E_CUDA", "Xid"),
    (RuntimeError(UNKNOWN), "E_DRIVER", "CUDA_VISIBLE_DEVICES"),
    (RuntimeError("cudaGetDeviceCount error 802: system not yet initialized"), "E_DRIVER", "fabricmanager"),
    (RuntimeError("nvrtc: error: failed to open libnvrtc-builtins.so.13.0"), "E_DRIVER", "doctor"),
    (RuntimeError(NCCL + NO_ROUTE), "E_NCCL", "NCCL_SOCKET_IFNAME"),
    (RuntimeError(NCCL + "Cuda failure 2 'out of memory'"), "E_GPU_OOM", "nvidia-smi"),
    (ZeroDivisionError("division by zero"), "E_INTERNAL", "trainer.log"),
]


@pytest.mark.parametrize(
    ("error", "code", "advice"), CASES, ids=lambda case: case if isinstance(case, str) else ""
)
def test_every_failure_has_a_code_and_a_next_step(error: BaseException, code: str, advice: str) -> None:
    event = error_event(error, saved="checkpoint step-00000001.pt", stage="training")
    assert event.code == code
    assert any(advice in step for step in event.next)
    assert event.title
    assert event.detail
    assert bool(event.traceback) == (code == "E_INTERNAL")


@pytest.mark.parametrize(("error", "code", "advice"), CASES)
def test_no_advice_is_to_resume_with_other_options(error: BaseException, code: str, advice: str) -> None:
    """The configuration of a run is frozen; `wmse-tui resume --set` is for what binds it to a machine."""
    for step in error_event(error, saved="", stage="training").next:
        assert keys_in(step) <= set(REBINDABLE) or "new run" in step, (code, advice)


def test_the_reason_that_nccl_adds_at_its_end_is_reported() -> None:
    event = error_event(RuntimeError(NCCL + NO_ROUTE), saved="", stage="training")
    assert event.detail.splitlines() == [NCCL.splitlines()[0], NO_ROUTE]


@pytest.mark.parametrize("text", [SHM, FROM_A_WORKER])
def test_a_small_dev_shm_is_not_called_a_full_disk(text: str) -> None:
    event = error_event(RuntimeError(text), saved="", stage="training")
    assert event.code == "E_SHM"
    assert "/dev/shm" in event.title
    assert "unable to allocate shared memory" in event.detail


def test_before_the_first_step_no_advice_is_to_resume_what_may_be_removed() -> None:
    for error, *_ in CASES:
        steps = error_event(error, saved="", stage="start").next
        assert not any("resume the run" in step for step in steps), error


def test_the_evidence_of_a_refused_path_is_its_owner(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    event = error_event(
        PermissionError(errno.EACCES, "Permission denied", str(tmp_path)), saved="", stage="start"
    )
    assert str(tmp_path) in event.detail
    assert f"mode 0750; this is uid {os.geteuid()}" in event.detail


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EROFS, errno.EACCES])
def test_a_dev_shm_that_workers_cannot_use_is_no_error_of_the_run_directory(number: int) -> None:
    error = OSError(number, os.strerror(number), "/dev/shm")
    event = error_event(error, saved="", stage="training")
    assert (event.code, event.detail) == ("E_SHM", f"{os.strerror(number)}: /dev/shm")
    assert "--shm-size=8g" in event.next[0]


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EFBIG, errno.EACCES, errno.ENOSPC])
def test_an_error_without_a_path_claims_none(number: int) -> None:
    event = error_event(OSError(number, os.strerror(number)), saved="", stage="training")
    assert event.detail == os.strerror(number)


def test_a_limit_of_the_size_of_files_names_the_checkpoint(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            save_checkpoint(tmp_path, 7, {"weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    event = error_event(caught.value, saved="", stage="training")
    assert event.code == "E_FILE_SIZE"
    assert event.detail == f"File too large: {tmp_path / 'step-00000007.pt'}"
    assert not list(tmp_path.iterdir())


def test_the_evidence_of_a_full_disk_is_the_space_on_it(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "not" / "yet"))
    assert " free)" in error_event(error, saved="", stage="training").detail


def test_the_text_of_torch_for_too_much_memory_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**62, dtype=torch.uint8)
    assert error_event(caught.value, saved="", stage="start").code == "E_MEMORY"


def test_an_out_of_memory_error_names_the_processes_on_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the driver's library: processes of this machine and one that cannot be seen."""
    users = [
        SimpleNamespace(pid=os.getpid(), usedGpuMemory=2_000_000_000),
        SimpleNamespace(pid=1, usedGpuMemory=9_600_000_000),
        SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None),
    ]
    library = SimpleNamespace(
        NVMLError=KeyError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=11_600_000_000, total=24_000_000_000),
        nvmlDeviceGetName=lambda _: "RTX 3090",
        nvmlDeviceGetComputeRunningProcesses=lambda _: users,
    )
    monkeypatch.setattr(gpu_users, "pynvml", library)
    lines = error_event(
        torch.OutOfMemoryError("CUDA out of memory."), saved="", stage="training"
    ).detail.splitlines()
    assert lines[:2] == ["CUDA out of memory.", "card 0, RTX 3090: 11.6 GB of 24.0 GB used"]
    assert [line.split(":")[-1].strip() for line in lines[2:]] == ["9.6 GB", "2.0 GB", "-"]
    assert "(this run)" in lines[3]
    assert "not visible from here" in lines[4]


def test_without_the_drivers_library_there_is_no_evidence_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu_users, "pynvml", None)
    assert gpu_users.gpu_users() == ()
    event = error_event(torch.OutOfMemoryError("CUDA out of memory."), saved="", stage="training")
    assert event.detail == "CUDA out of memory."


def test_an_out_of_memory_error_names_what_the_run_itself_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_users, "pynvml", None)
    for name, value in (
        ("is_initialized", True),
        ("max_memory_reserved", 9_000_000_000),
        ("memory_reserved", 9_000_000_000),
        ("max_memory_allocated", 8_000_000_000),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    detail = error_event(RuntimeError(FIND_ENGINE), saved="", stage="training").detail
    assert detail.splitlines() == [
        FIND_ENGINE,
        "this run: peak 8.0 GB in tensors, 9.0 GB are reserved",
    ]


def test_an_explanation_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The evidence is asked of a machine on which something has just failed."""

    def refuse(*_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    failing = [failure._replace(detail=refuse) for failure in failures.FAILURES]
    monkeypatch.setattr(failures, "FAILURES", failing)
    event = error_event(torch.OutOfMemoryError("CUDA out of memory."), saved="", stage="training")
    assert event.code == "E_GPU_OOM"
    assert event.detail.startswith("CUDA out of memory. (nothing more is known: PermissionError")
    for number in sorted(errno.errorcode):
        assert error_event(OSError(number, "no", "/x"), saved="", stage="start").detail
