"""The advice of an error of the machine lets the run continue: each fault is caused, and its remedy done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from forked_trainers import may_mount, start_trainer

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
        limits={"RLIMIT_AS": 80_000_000},
    ),
    "a GPU is not there": Fault(
        code="E_DEVICE",
        step="train on the CPU: --set compute.device=cpu",
        options=("compute.device=cuda",),
        remains=True,
        anew=("compute.device=cpu",),
    ),
}
if may_mount():
    FAULTS |= {
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
    }  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_the_advice_of_an_error_lets_the_run_continue(make_run: MakeRun, name: str) -> None:
    fault = FAULTS[name]
    run = make_run(*SHORT, *fault.options)
    mounts = {folder.format(run=run.path): options for folder, options in fault.mounts.items()}
    assert start_trainer(run, mounts=mounts, limits=fault.limits).wait() == 1
    error = view_run(run).error
    assert error is not None
    assert error.code == fault.code, error
    steps = [step.replace("start the run again", "resume the run") for step in error.next]
    assert fault.step in steps
    if fault.anew:
        rebind_run(run, fault.anew)
    again = start_trainer(run, mounts=mounts if fault.remains else {})
    assert again.wait() == 0, run.trainer_log.read_text()
    assert view_run(run).status == "completed"
