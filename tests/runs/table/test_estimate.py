"""What one run lets another expect: estimated from a log, and only from that of a similar run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from events import attempt, checkpoint

from wmse_tui.config.loading import load_experiment
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.table.estimate import DurationEstimate, closest_run, estimate_duration
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
