"""The advice of an error of the machine lets the run continue: each fault is caused, and its remedy done.

Faults of limits and mounts are real, with trainers of their own. What needs a broken disk, or a GPU, is
raised in this process where the system or torch would raise it; `scripts/rehearse-gpu remedies` does the
GPU's part with the allocator and the errors of CUDA. Each next step of each failure is in a table here, or in
ELSEWHERE with the test that follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from faults import Fault as FileFault
from faults import Faults
from forked_trainers import may_mount, start_trainer
from torch.nn.modules.module import register_module_forward_hook

from wmse_tui.engine.training.failures import FAILURES
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.rebind import rebind_run
from wmse_tui.runs.state.watch import view_run

MakeRun = Callable[..., RunDirectory]

WORKERS = ("compute.loader=workers", "compute.workers=1")
SHORT = ("schedule.epochs=1", "evaluation.knn=off", "evaluation.map=off", "checkpoint.every_minutes=0.0001")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of the machine and one of the remedies that its error names.

    Args:
        code: of the error.
        step: the next step of the error that is followed.
        options: of the run.
        mounts: folders that the first attempt sees as other file systems; "{run}" is the run's.
        limits: resource limits of the first attempt.
        remains: the fault is there in the second attempt too.
        anew: options that are given anew, as `wmse-tui resume RUN --set` does.
    """

    code: str
    step: str
    options: tuple[str, ...] = ()
    mounts: dict[str, str] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    remains: bool = False
    anew: tuple[str, ...] = ()


NO_SHM = {"/dev/shm": "ro"}
FAULTS = {
    "a limit of file sizes is raised": Fault(
        code="E_FILE_SIZE",
        step="raise the limit of the shell or the job: ulimit -f unlimited",
        limits={"RLIMIT_FSIZE": 200_000},
    ),
    "memory is freed": Fault(
        code="E_MEMORY",
        step="resume the run when more memory is free, or on another machine",
        options=("dataset.train_images=16", "projector.hidden=2000", "projector.layers=4"),
        limits={"RLIMIT_AS": 30_000_000},
    ),
    "a GPU is not there": Fault(
        code="E_DEVICE",
        step="train on the CPU: --set compute.device=cpu",
        options=("compute.device=cuda",),
        remains=True,
        anew=("compute.device=cpu",),
    ),
}
OF_A_MOUNT = {
    "a container gets /dev/shm": Fault(
        code="E_SHM",
        step="a container needs --shm-size=8g or --ipc=host; then resume the run",
        options=WORKERS,
        mounts=NO_SHM,
    ),
    "a container trains without workers": Fault(
        code="E_SHM",
        step="or resume the run without workers: --set compute.workers=0",
        options=WORKERS,
        mounts=NO_SHM,
        remains=True,
        anew=("compute.workers=0",),
    ),
    "a full disk gets space": Fault(
        code="E_DISK_FULL",
        step="free some space there (`wmse-tui rm RUN` removes old runs)",
        mounts={"{run}/checkpoints": "size=20k"},
    ),
    "a path may be written again": Fault(
        code="E_PERMISSION",
        step="check the owner and mode of that path",
        mounts={"{run}/checkpoints": "ro"},
    ),
}
"""Faults whose cause is another file system, which only root may mount."""


def steps_of(run: RunDirectory, code: str) -> list[str]:
    """The next steps of the run's error, which has this code, as after the first step of training."""
    error = view_run(run).error
    assert error is not None
    assert error.code == code, error
    return [step.replace("start the run again", "resume the run") for step in error.next]


@pytest.mark.parametrize("name", [*FAULTS, *OF_A_MOUNT] if may_mount() else [*FAULTS])
def test_the_advice_of_an_error_lets_the_run_continue(make_run: MakeRun, name: str) -> None:
    fault = {**FAULTS, **OF_A_MOUNT}[name]
    run = make_run(*SHORT, *fault.options)
    mounts = {folder.format(run=run.path): options for folder, options in fault.mounts.items()}
    assert start_trainer(run, mounts=mounts, limits=fault.limits).wait() == 1
    assert fault.step in steps_of(run, fault.code)
    if fault.anew:
        rebind_run(run, fault.anew)
    again = start_trainer(run, mounts=mounts if fault.remains else {})
    assert again.wait() == 0, run.trainer_log.read_text()
    assert view_run(run).status == "completed"


@contextmanager
def no_memory_above(size: int, *, training: bool) -> Iterator[None]:
    """A device on which no layer can allocate an output of more than `size` bytes, in training or else."""

    def allocate(layer: torch.nn.Module, arguments: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and layer.training == training and output.nbytes > size:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {output.nbytes} bytes")

    hook = register_module_forward_hook(allocate)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def raised(text: str) -> Iterator[None]:
    """Torch raises an error with this text in each step."""

    def fail(*_: Any) -> None:
        raise RuntimeError(text)

    hook = register_module_forward_hook(fail)
    try:
        yield
    finally:
        hook.remove()


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An error that is raised in this process, and a remedy that it names.

    Args:
        code: of the error.
        step: the next step that is followed.
        cause: the fault, for as long as it is entered, of a run in the given directory.
        options: of the run.
        remains: the fault is there in the second attempt too.
        anew: options that are given anew, as `wmse-tui resume RUN --set` does.
        instead: options of the new run that is advised instead.
    """

    code: str
    step: str
    cause: Callable[[Path], AbstractContextManager[object]]
    options: tuple[str, ...] = ()
    remains: bool = False
    anew: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


def text(message: str) -> Callable[[Path], AbstractContextManager[object]]:
    return lambda _: raised(message)


def memory(size: int, *, training: bool = True) -> Callable[[Path], AbstractContextManager[object]]:
    return lambda _: no_memory_above(size, training=training)


def refused(operation: str, error: str) -> Callable[[Path], AbstractContextManager[object]]:
    """Every operation on checkpoints fails from the first one that begins so."""
    return lambda folder: Faults(folder / "checkpoints", FileFault(operation, error, lasting=True))


ONE_STEP = ("dataset.train_images=16", "dataset.test_images=16")
FEATURE_MAP = 16 * 16 * 16 * 16 * 4
"""Bytes of a view of 16 images with 16 x 16 pixels in 16 channels."""

CUDA_MEMORY = partial(Raised, code="E_GPU_OOM", remains=True, cause=memory(FEATURE_MAP // 2))
NO_ENGINE = "GET was unable to find an engine to execute this computation"
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"
NO_START = "CUDA unknown error - this may be due to an incorrectly set up environment"
ON_CPU = "or resume the run on the CPU: --set compute.device=cpu"
RAISED = {
    "the card is free again": Raised(
        code="E_GPU_OOM",
        step="resume the run when the card is free (nvidia-smi shows who uses it now)",
        cause=memory(FEATURE_MAP // 2),
    ),
    "activations of half the size": CUDA_MEMORY(
        step="a new run with compute.precision=bfloat16, which halves the activations",
        instead=("compute.precision=bfloat16",),
    ),
    "a batch of half the size": CUDA_MEMORY(
        step="or with a smaller schedule.batch_size (it changes the recipe)",
        instead=("schedule.batch_size=8", "method.whitening_size=8"),
    ),
    "an evaluation in smaller batches": Raised(
        code="E_GPU_OOM",
        step="in an evaluation: resume the run with smaller batches: --set evaluation.batch_size=100",
        cause=memory(100 * 16 * 32 * 32 * 4, training=False),
        options=("dataset.test_images=160", "evaluation.batch_size=160"),
        remains=True,
        anew=("evaluation.batch_size=100",),
    ),
    "memory for a convolution": Raised(
        code="E_GPU_OOM",
        step="where memory is free: `wmse-tui doctor`, and a run in the other precision",
        cause=text(NO_ENGINE),
        instead=("compute.precision=bfloat16",),
    ),
    "images are read as they are needed": Raised(
        code="E_MEMORY",
        step="a new run with compute.loader=workers, which reads images as they are needed",
        cause=text("DefaultCPUAllocator: can't allocate memory"),
        instead=("compute.loader=workers", "compute.workers=1"),
    ),
    "a smaller batch": Raised(
        code="E_MEMORY",
        step="or with a smaller schedule.batch_size (it changes the recipe)",
        cause=text("DefaultCPUAllocator: can't allocate memory"),
        instead=("schedule.batch_size=8",),
    ),
    "a broken context ends with its process": Raised(
        code="E_CUDA",
        step="resume the run: its process has ended, and the broken CUDA context with it",
        cause=text("CUDA error: an illegal memory access was encountered"),
    ),
    "no link between GPUs is needed": Raised(
        code="E_NCCL",
        step="or resume the run on one GPU: --set compute.devices=1",
        cause=text("NCCL error in: NCCLUtils.cpp:77, unhandled system error"),
        anew=("compute.devices=1",),
    ),
    "a driver for this torch": Raised(code="E_DRIVER", step="then resume the run", cause=text(NO_KERNEL)),
    "a driver that starts": Raised(code="E_DRIVER", step="then resume the run", cause=text(NO_START)),
    "no driver is needed": Raised(
        code="E_DRIVER", step=ON_CPU, cause=text(NO_KERNEL), anew=("compute.device=cpu",)
    ),
    "fewer workers": Raised(
        code="E_WORKER",
        step="or resume the run with fewer workers: --set compute.workers=2",
        cause=text("DataLoader worker (pid(s) 12) exited unexpectedly"),
        options=("compute.loader=workers", "compute.workers=3"),
        anew=("compute.workers=2",),
    ),
    "memory for workers": Raised(
        code="E_WORKER",
        step="resume the run when more memory is free",
        cause=text("DataLoader worker (pid(s) 12) exited unexpectedly"),
    ),
    "a disk that works again": Raised(
        code="E_DISK",
        step="check `dmesg` for errors of the disk or the file server",
        cause=refused("open .step", "EIO"),
    ),
    "a quota that is raised": Raised(
        code="E_DISK_FULL",
        step="free some space there: your quota is used up (`wmse-tui rm RUN` removes old runs)",
        cause=refused("write .step", "EDQUOT"),
    ),
    "a file that is restored": Raised(
        code="E_MISSING", step="restore it", cause=refused("open .step", "ENOENT")
    ),
    "threads that may be started": Raised(
        code="E_SYSTEM",
        step="end other processes, or raise the limit of the shell or the job: ulimit -u",
        cause=text("can't start new thread"),
    ),
} | {
    f"the system permits {error}": Raised(
        code="E_SYSTEM", step=step, cause=refused("open .step", error)
    )
    for error, step in (
        ("EMFILE", "raise the limit of the shell or the job: ulimit -n 1024"),
        ("ENFILE", "close other programs: this machine has too many open files"),
        ("ENOMEM", "end other processes that use memory"),
        ("ENOTCONN", "mount that file system again: its server or its program has ended"),
    )
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on fewer cores than workers
@pytest.mark.parametrize("name", RAISED)
def test_the_advice_of_a_raised_error_lets_the_run_continue(make_run: MakeRun, name: str) -> None:
    fault = RAISED[name]
    options = (*SHORT, *ONE_STEP, *fault.options)
    run = make_run(*options)
    with fault.cause(run.path):
        assert run_session(run.path) == 1
    assert fault.step in steps_of(run, fault.code)
    if fault.anew:
        rebind_run(run, fault.anew)
    if fault.instead:
        run = make_run(*options, *fault.instead, name="another")
    if fault.remains:
        with fault.cause(run.path):
            assert run_session(run.path) == 0, view_run(run).error
    else:
        assert run_session(run.path) == 0, view_run(run).error
    assert view_run(run).status == "completed"


TESTS = Path(__file__).parents[2]
OTHER_CARD = "or let it see another card only: CUDA_VISIBLE_DEVICES=1 before the command"
DOCTOR = "engine/test_doctor.py::test_the_remedy_for_an_old_driver_is_a_command"
ELSEWHERE = {
    OTHER_CARD: "../scripts/rehearse-gpu::follow_remedies",
    "`wmse-tui doctor` shows which versions were found and which are needed": DOCTOR,
    "update the NVIDIA driver, or install a torch build for the CUDA version it serves": DOCTOR,
    "check CUDA_VISIBLE_DEVICES; `wmse-tui doctor` shows what was found": (
        "engine/test_doctor.py::test_the_command_prints_one_json_object_and_obeys_the_environment"
    ),
    "`wmse-tui doctor` shows how the GPUs are connected": (
        "cli/test_links.py::test_the_links_of_each_pair_are_named"
    ),
    "remove the damaged file from the data folder, then resume the run: it is fetched again": (
        "engine/data/sources/test_acquire.py::test_what_is_missing_is_fetched_once"
    ),
}
"""The tests of next steps that are followed in another file than this one."""

HARDWARE = {
    "with NCCL, a container needs --shm-size=8g or --ipc=host; then resume the run",
    "check whether `nvidia-smi` works; a driver updated without a reboot needs one",
    "on a machine with NVSwitch the service nvidia-fabricmanager must run (error 802)",
    "resume the run with NCCL_DEBUG=INFO before the command: trainer.log then has the reason",
    "on several machines: NCCL_SOCKET_IFNAME=ib0 names the interface that connects them",
    "if it happens again: `wmse-tui doctor`, and `dmesg` for lines with Xid",
}
"""Next steps that only a machine with a GPU, and its root, can follow."""


def test_every_next_step_of_every_failure_is_followed() -> None:
    followed = {
        (fault.code, fault.step) for table in (FAULTS, OF_A_MOUNT, RAISED) for fault in table.values()
    }
    missing = [
        f"{failure.code}: {step}"
        for failure in FAILURES
        for step in failure.steps
        if (failure.code, step) not in followed and step not in {*ELSEWHERE, *HARDWARE, "then resume the run"}
    ]
    assert not missing, "\n".join(missing)
    advised = {step for failure in FAILURES for step in failure.steps}
    assert {*ELSEWHERE, *HARDWARE} <= advised, "no failure advises this any more"
    for place in ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (TESTS / path).read_text(encoding="utf-8"), place
