"""Launchers that start a process for each rank of a trainer: what their environment says of this one.

In a batch script and in the shell of an allocation SLURM sets most of its variables too, as if they were the
first task; a task of `srun` has a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VARIABLES = ("RANK", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Those that make a process one of several; what the command line starts does not inherit them."""


@dataclass(frozen=True, slots=True)
class Launched:
    """The part of this process.

    Args:
        by: the launcher.
        rank, world: which of how many processes.
        local_rank: which of those on this machine; its device.
        one_machine: whether all are on this machine.
    """

    by: str
    rank: int
    world: int
    local_rank: int
    one_machine: bool


def launched_by(environment: Mapping[str, str]) -> Launched | None:
    """The part that a launcher has given this process; None where this process is alone.

    torchrun is asked first: where `srun` starts one torchrun on each node, both have set their variables.
    """

    def number(name: str, default: int) -> int:
        value = environment.get(name, "")
        return int(value) if value.isdecimal() else default

    world = number("WORLD_SIZE", 1)
    if "RANK" in environment and world > 1:
        return Launched(
            "torchrun" if "TORCHELASTIC_RUN_ID" in environment else "RANK and WORLD_SIZE",
            number("RANK", 0),
            world,
            number("LOCAL_RANK", 0),
            number("LOCAL_WORLD_SIZE", 1) == world,
        )
    tasks = number("SLURM_STEP_NUM_TASKS", 1)
    if "SLURM_STEP_ID" in environment and tasks > 1:
        return Launched(
            "srun",
            number("SLURM_PROCID", 0),
            tasks,
            number("SLURM_LOCALID", 0),
            number("SLURM_STEP_NUM_NODES", 1) == 1,
        )
    return None
