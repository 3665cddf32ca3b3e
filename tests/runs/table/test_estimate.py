"""What one run lets another expect: estimated from a log, and only from that of a similar run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from events import attempt, checkpoint

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import create_run
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.table.estimate import (
    DurationEstimate,
    Forecast,
    closest_run,
    estimate_duration,
    forecast,
    timed_run,
    timed_runs,
)
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.paper import OwnRun, PaperCell, Recipe, published_table

RECIPE = load_experiment(preset="cifar10")
VIEW = RunState(
    run_id="a",
    epoch=10,
    attempt_started=1000.0,
    updated=1100.0,
    setup=attempt(epochs=10, steps_per_epoch=4, device="GPU", host="here"),
    checkpoints=(checkpoint(4, "a", bytes=7), checkpoint(8, "b", bytes=100)),
)


def run(
    name: str, *overrides: str, host: str = "here", epoch: int = 5, state: Status = "completed"
) -> OwnRun:
    row = RunRow(run_id=name, path=f"/{name}", status=state, epoch=epoch, host=host)
    return OwnRun(row, load_experiment(preset="cifar10", overrides=overrides))


def cell(*runs: OwnRun) -> PaperCell:
    found = published_table((Recipe("cifar10", RECIPE),), runs).cells[0][0]
    assert found is not None
    return found


def chosen(*runs: OwnRun) -> str:
    found = closest_run(cell(*runs), "here")
    return "" if found is None else found.row.run_id


def test_time_and_disk_are_estimated_from_the_epochs_and_the_newest_checkpoint() -> None:
    assert estimate_duration(VIEW, RECIPE) == DurationEstimate(
        run_id="a", device="GPU", host="here", seconds=10_000.0, checkpoint_bytes=100, disk_bytes=400
    )


def test_without_a_checkpoint_the_disk_is_not_guessed() -> None:
    estimate = estimate_duration(replace(VIEW, checkpoints=()), RECIPE)
    assert estimate is not None
    assert (estimate.seconds, estimate.checkpoint_bytes, estimate.disk_bytes) == (10_000.0, None, None)


def test_before_the_first_epoch_nothing_is_estimated() -> None:
    assert estimate_duration(replace(VIEW, epoch=0), RECIPE) is None
    assert estimate_duration(replace(VIEW, setup=None), RECIPE) is None


@pytest.mark.parametrize(
    "overrides", [("schedule.epochs=100",), ("optimizer.lr=1e-3", "schedule.warmup_steps=0")]
)
def test_a_variant_with_epochs_as_long_is_a_model(overrides: tuple[str, ...]) -> None:
    assert chosen(run("a", *overrides)) == "a"


@pytest.mark.parametrize(
    "override",
    ["schedule.batch_size=256", "dataset.train_images=5000", "compute.precision=bfloat16", "dataset.crop=24"],
)
def test_a_variant_whose_epochs_take_another_time_is_none(override: str) -> None:
    assert chosen(run("a", override)) == ""


def test_a_run_of_this_machine_and_of_the_recipe_comes_first() -> None:
    alike, other = run("alike", "optimizer.lr=1e-3"), run("other", host="there")
    assert chosen(other, alike, run("same", state="stopped")) == "same"
    assert chosen(other, alike) == "alike"
    assert chosen(other) == "other"


def test_a_run_without_an_epoch_tells_nothing() -> None:
    assert chosen(run("a", epoch=0)) == ""
    assert chosen() == ""


def test_one_forecast_rests_on_the_nearest_run_of_this_machine_and_says_so() -> None:
    quick = load_experiment(preset="quickstart")
    of_quick = timed_run("q", quick, 10.0, on_gpu=False)
    same = forecast(load_experiment(preset="quickstart", overrides=["seed=3"]), (of_quick,), gpus=0)
    assert same == Forecast(120.0, "as q", rough=False)
    assert same.text() == "about 2 min 00 s, as q"

    smaller = load_experiment(preset="quickstart", overrides=["dataset.train_images=2560"])
    scaled = forecast(smaller, (of_quick,), gpus=0)
    assert scaled is not None
    assert scaled.seconds == pytest.approx(120 * 10 / 19)
    assert scaled.text() == "roughly 1 min 03 s, scaled from q"

    near = timed_run("near", RECIPE, 100.0, on_gpu=False)
    deeper = load_experiment(preset="cifar10", overrides=["backbone.arch=resnet34"])
    found = forecast(deeper, (of_quick, near), gpus=0)
    assert found is not None
    assert "scaled from near" in found.basis

    alone = forecast(quick, (timed_run("gpu", quick, 1.0, on_gpu=True),), gpus=0)
    assert alone is not None
    assert alone.basis == "by the size of the steps"
    assert forecast(quick, (of_quick,), gpus=1) is None, "nothing is known of the GPU"
    on_two = load_experiment(preset="quickstart", overrides=["compute.device=cpu", "compute.devices=2"])
    assert "size" in (forecast(on_two, (of_quick,), gpus=0) or alone).basis, "two ranks take another time"


def test_runs_of_this_machine_that_completed_an_epoch_are_timed(tmp_path: Path) -> None:
    directory = create_run(tmp_path, dump_experiment(load_experiment(preset="quickstart")), name="a")
    row = RunRow(
        run_id="a",
        path=str(directory.path),
        status="completed",
        epoch=4,
        host="here",
        device="CPU, 2 threads",
        results=(("training_seconds", 40.0),),
    )
    found = timed_runs((replace(row, host="there"), replace(row, epoch=0), row), "here")
    assert [(one.name, one.epoch_seconds, one.on_gpu) for one in found] == [("a", 10.0, False)]
    assert timed_runs((replace(row, path=str(tmp_path / "missing")),), "here") == ()
