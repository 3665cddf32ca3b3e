"""Launchers that start a process for each rank of a trainer: what their environment says of this one.

In a batch script and in the shell of an allocation SLURM sets most of its variables too, as if they were the
first task; a task of `srun` has a step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from wmse_tui.runs.process.cores import unlimited_cores

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
    number = partial(_number, environment)
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


def tasks_on_same_cores(environment: Mapping[str, str]) -> int:
    """How many processes of the launcher, this one included, share the cores that this one may use.

    torchrun binds none of them to cores. SLURM often does: then a process may use fewer than the step has on
    its node, and they are its own.
    """
    launched = launched_by(environment)
    if launched is None:
        return 1
    if launched.by != "srun":
        return max(_number(environment, "LOCAL_WORLD_SIZE", 1), 1)
    if unlimited_cores() < _number(environment, "SLURM_CPUS_ON_NODE", 0):
        return 1
    return _tasks_on_node(environment)


def _tasks_on_node(environment: Mapping[str, str]) -> int:
    """Of SLURM's list of the nodes' tasks, such as `4(x2),3`, those of the node of this process."""
    node = _number(environment, "SLURM_NODEID", 0)
    for part in environment.get("SLURM_STEP_TASKS_PER_NODE", "").split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found is None:
            break
        nodes = int(found[2] or 1)
        if node < nodes:
            return max(int(found[1]), 1)
        node -= nodes
    return 1


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, "")
    return int(value) if value.isdecimal() else default
