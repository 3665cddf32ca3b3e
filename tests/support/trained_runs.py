"""A run with a checkpoint, for commands that use trained encoders."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.training.checkpoints import name_checkpoint, save_checkpoint
from wmse_tui.runs.directory import RunDirectory, create_run

EXPERIMENT = Experiment.model_validate(
    {
        "dataset": {"name": "folder", "root": "/nowhere", "crop": 16},
        "backbone": {"arch": "cifar_resnet8"},
        "projector": {"hidden": 16, "dim": 8},
        "method": {"name": "w_mse", "whitening_size": 16},
        "schedule": {"kind": "step", "epochs": 60, "batch_size": 32},
        "compute": {"device": "cpu", "workers": 1},
    }
)


def trained_run(root: Path) -> RunDirectory:
    """The run `small` under `root`, of random weights; its images are nowhere."""
    run = create_run(root, dump_experiment(EXPERIMENT), name="small")
    state = {
        "position": {"epoch": 1, "step": 3},
        "method": build_method(EXPERIMENT).state_dict(),
        "optimizer": {},
        "best": None,
    }
    name_checkpoint(save_checkpoint(run.checkpoints, 3, state), "final")
    return run
