"""A sweep: its runs and their cost, and what is queued of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sweep import read_axes, read_grid
from wmse_tui.runs.annotations import read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import BadRunName, LaunchError, OtherConfiguration
from wmse_tui.runs.queue.sweep_plan import SweepPlan, plan_sweep, queue_sweep, sweep_lines
from wmse_tui.runs.state.config import load_configuration, summarise
from wmse_tui.runs.table.estimate import TimedRun, timed_run


def load(settings: Sequence[str], *more: str) -> Experiment:
    return load_experiment(preset="quickstart", overrides=["compute.device=cpu", *more, *settings])


def plan(root: Path, *sweeps: str, name: str | None = None, known: Sequence[TimedRun] = ()) -> SweepPlan:
    axes = read_axes(sweeps)
    return plan_sweep(axes, read_grid(axes, load), root, name, known)


def queue(made: SweepPlan, root: Path, queued: list[str]) -> list[RunDirectory]:
    def enqueue(run: RunDirectory) -> subprocess.Popen[bytes]:
        if run.id == "bad-2":
            raise LaunchError("the waiting process cannot be started")
        queued.append(run.id)
        return subprocess.Popen(["true"])

    runs = []
    for each in queue_sweep(
        made, root, preset="quickstart", hint="quickstart", tag="sweep-x", enqueue=enqueue
    ):
        each.waiting.wait()
        runs.append(each.run)
    return runs


def test_the_runs_and_their_cost_as_lines(tmp_path: Path) -> None:
    made = plan(tmp_path, "seed=3,4", "optimizer.lr=1e-3,2e-3")
    lines = sweep_lines(made)
    assert lines[:6] == [
        "4 runs: seed = 3, 4 x optimizer.lr = 1e-3, 2e-3",
        "  1  seed=3  optimizer.lr=1e-3",
        "  2  seed=3  optimizer.lr=2e-3",
        "  3  seed=4  optimizer.lr=1e-3",
        "  4  seed=4  optimizer.lr=2e-3",
        "steps: 912 in all",
    ]
    assert lines[6].startswith(
        "time: unknown: no comparable run of this machine has completed an epoch; by the size of the steps a"
    )
    assert "and 8 more" in "\n".join(sweep_lines(plan(tmp_path, f"seed={','.join(map(str, range(20)))}")))


def test_the_time_is_that_of_a_comparable_run(tmp_path: Path) -> None:
    known = (timed_run("before", load(()), 5.0, on_gpu=False),)
    lines = sweep_lines(plan(tmp_path, "seed=3,4", known=known))
    assert lines[-1].startswith(
        "time: about 2 min 00 s of training in all, estimated from the epochs of before (CPU)"
    )
    mixed = sweep_lines(plan(tmp_path, "projector.dim=32,16", known=known))
    assert "about 1 min 00 s for 1 of 2, estimated" in mixed[-1]
    assert re.search(r"; roughly \d min \d\d s for 1 of 2, scaled from before \(CPU\)", mixed[-1]), (
        "one forecast"
    )
    axes = read_axes(["projector.dim=32,16"])
    jobs = sweep_lines(plan_sweep(axes, read_grid(axes, load), tmp_path, None, known, as_jobs=True))
    assert "estimated from the epochs of before (CPU); unknown for the others" in jobs[-1]


def test_every_run_is_queued_once_with_its_tag_note_and_preset(tmp_path: Path) -> None:
    queued: list[str] = []
    runs = queue(plan(tmp_path, "seed=3,4", name="s"), tmp_path, queued)
    assert queued == ["s-1", "s-2"]
    annotations = read_annotations(runs[1])
    assert (annotations.tags, annotations.note) == (("sweep-x",), "seed=4")
    assert load_configuration(runs[1]) == load(["seed=4"])
    assert summarise(runs[1].config).preset == "quickstart"
    again = plan(tmp_path, "seed=3,4", name="s")
    assert [each.existing for each in again.runs] == runs
    queue(again, tmp_path, queued)
    assert queued == ["s-1", "s-2", "s-1", "s-2"], "runs that never started are queued again"
    assert len(queue(plan(tmp_path, "seed=5,6"), tmp_path, queued)) == 2
    assert all(name.startswith("quickstart-") for name in queued[-2:])


def test_a_run_that_cannot_be_queued_ends_the_sweep_after_those_before(tmp_path: Path) -> None:
    queued: list[str] = []
    with pytest.raises(LaunchError):
        queue(plan(tmp_path, "seed=3,4,5", name="bad"), tmp_path, queued)
    assert queued == ["bad-1"]


def test_a_name_that_is_taken_by_another_configuration_is_refused(tmp_path: Path) -> None:
    queue(plan(tmp_path, "seed=3,4", name="s"), tmp_path, [])
    with pytest.raises(OtherConfiguration, match="the run 's-1' exists with another configuration") as caught:
        plan(tmp_path, "seed=7,4", name="s")
    assert caught.value.detail == "seed: 3 there, 7 now"
    with pytest.raises(BadRunName):
        plan(tmp_path, "seed=3,4", name="a b")


def test_the_advice_on_all_runs_is_given_once(tmp_path: Path) -> None:
    axes = read_axes(["seed=3,4"])
    made = plan_sweep(axes, read_grid(axes, partial(_with_dim, 60)), tmp_path, None, ())
    texts = [advice.text for advice in made.advice if advice.path == "method.whitening_size"]
    assert len(texts) == 1


def _with_dim(dim: int, settings: Sequence[str]) -> Experiment:
    return load(settings, f"projector.dim={dim}")
