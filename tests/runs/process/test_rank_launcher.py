"""Which part of a run a launcher's environment gives to a process."""

from __future__ import annotations

import pytest

from wmse_tui.runs.process import rank_launcher
from wmse_tui.runs.process.rank_launcher import Launched, launched_by, tasks_on_same_cores

STEP = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2"}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, None),  # the batch script
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}, None),  # the shell of salloc
        ({**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, None),  # srun of one task
        ({**STEP, "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}, Launched("srun", 3, 4, 1, False)),
        ({**STEP, "SLURM_STEP_NUM_NODES": "1", "SLURM_PROCID": "2"}, Launched("srun", 2, 4, 0, True)),
        (TORCHRUN, Launched("torchrun", 1, 2, 1, True)),
        ({**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0"}, None),
        ({**TORCHRUN, "WORLD_SIZE": "4"}, Launched("torchrun", 1, 4, 1, False)),
        ({**STEP, "SLURM_PROCID": "1", **TORCHRUN}, Launched("torchrun", 1, 2, 1, True)),  # srun torchrun
        ({"RANK": "1", "WORLD_SIZE": "2"}, Launched("RANK and WORLD_SIZE", 1, 2, 0, False)),
        ({"RANK": "one", "WORLD_SIZE": "many"}, None),
    ],
)
def test_a_process_is_one_of_several_only_where_a_launcher_says_so(
    environment: dict[str, str], found: Launched | None
) -> None:
    assert launched_by(environment) == found


@pytest.mark.parametrize(
    ("environment", "sharing"),
    [
        ({}, 1),
        (TORCHRUN, 2),
        ({**TORCHRUN, "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, 4),
        ({"RANK": "1", "WORLD_SIZE": "2"}, 1),  # a shell on each machine
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "2(x2)"}, 2),
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "3,1", "SLURM_NODEID": "1"}, 1),
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "4(x2),3", "SLURM_NODEID": "2"}, 3),
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "2(x2)", "SLURM_CPUS_ON_NODE": "16"}, 2),
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "2(x2)", "SLURM_CPUS_ON_NODE": "32"}, 1),  # bound to a half
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "many"}, 1),
    ],
)
def test_ranks_divide_the_cores_that_no_launcher_has_divided(
    environment: dict[str, str], sharing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_launcher, "unlimited_cores", lambda: 16)
    assert tasks_on_same_cores(environment) == sharing
