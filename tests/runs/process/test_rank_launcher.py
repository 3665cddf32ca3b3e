"""Which part of a run a launcher's environment gives to a process."""

from __future__ import annotations

import pytest

from wmse_tui.runs.process.rank_launcher import Launched, launched_by

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
