"""Training runs killed at chosen file operations, resumed, and compared to the bit with one that was not.

    python tests/support/campaign.py FOLDER SEED TRIES      prints one JSON object

A process of its own, because it forks a trainer per try: torch is imported once and computes in the forks.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from faults import KILL, Fault, Faults, in_child

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.engine.training.checkpoints import newest_checkpoint, read_checkpoint
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.state.watch import view_run

TINY = (
    "seed=7",
    "dataset.train_images=48",
    "dataset.test_images=20",
    "dataset.crop=16",
    "projector.hidden=16",
    "projector.dim=4",
    "method.whitening_size=8",
    "schedule.batch_size=16",
    "schedule.epochs=2",
    "schedule.kind=constant",
    "schedule.warmup_steps=2",
    "evaluation.linear=off",
    "evaluation.raw_pixels=false",
    "compute.device=cpu",
    "compute.deterministic=true",
    "checkpoint.every_minutes=0.0001",  # after every step
)


def campaign(folder: Path, *, seed: int, tries: int) -> dict[str, Any]:
    """Kill `tries` runs, each at an operation drawn by `seed`, some of them twice; return what was lost."""
    torch.set_num_threads(1)
    draw = random.Random(seed)
    experiment = load_experiment(preset="quickstart", overrides=TINY)
    text = dump_experiment(experiment)

    def fresh(name: str) -> RunDirectory:
        shutil.rmtree(folder / name, ignore_errors=True)
        return create_run(folder, text, name=name)

    whole = fresh("undisturbed")
    count = folder / "operations"

    def counted() -> int:
        with Faults(whole.path) as faults:
            code = run_session(whole.path)
        count.write_text(str(len(faults.done)))
        return code

    assert in_child(counted) == 0
    operations = int(count.read_text())
    expected, losses = read_checkpoint(whole.checkpoints / "final.pt"), view_run(whole).loss.values()

    problems: list[str] = []
    kills = 0
    for number in range(tries):
        at = [draw.randrange(1, operations + 1)]
        if number % 3 == 0:
            at.append(draw.randrange(1, operations + 1))
        run = fresh("killed")

        def died(point: int, run: RunDirectory = run) -> int:
            with Faults(run.path, Fault(point, KILL)):
                return run_session(run.path)

        before = 0
        for point in at:
            kills += in_child(lambda point=point: died(point)) == -9  # type: ignore[misc]
            reached = newest_step(run, problems, f"{number}: {at}")
            if reached < before:
                problems.append(f"{number}: {at}: from step {before} back to {reached}")
            before = reached
        if in_child(lambda run=run: run_session(run.path)) != 0:  # type: ignore[misc]
            problems.append(f"{number}: {at}: it does not continue: {view_run(run).error}")
            continue
        state = view_run(run)
        if not same(read_checkpoint(run.checkpoints / "final.pt"), expected):
            problems.append(f"{number}: {at}: other weights")
        if state.loss.values() != losses or state.missing or state.unreadable:
            problems.append(f"{number}: {at}: another series of losses")
    return {"seed": seed, "operations": operations, "tries": tries, "kills": kills, "problems": problems}


def newest_step(run: RunDirectory, problems: list[str], where: str) -> int:
    """The step of the newest checkpoint; a damaged one under its name is a problem."""
    found = newest_checkpoint(run.checkpoints, damaged=lambda error: problems.append(f"{where}: {error}"))
    return 0 if found is None else int(found[1]["position"]["step"])


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether weights, the optimiser's state and the best accuracy are the same to the bit."""
    return all(_same(ours[part], theirs[part]) for part in ("method", "optimizer", "best"))


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return bool(ours == theirs)


if __name__ == "__main__":
    print(json.dumps(campaign(Path(sys.argv[1]), seed=int(sys.argv[2]), tries=int(sys.argv[3]))))
