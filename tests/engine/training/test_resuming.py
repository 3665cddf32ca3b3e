"""Every part of a checkpoint is needed: with any one left out nothing is resumed, and the part is named."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wmse_tui.config.loading import parse_experiment
from wmse_tui.engine.errors import CheckpointError
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.training.checkpoints import read_checkpoint, step_checkpoints
from wmse_tui.engine.training.loop import Position
from wmse_tui.engine.training.optimizers import build_optimizer
from wmse_tui.engine.training.resuming import Resumed, resume_from
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory

MakeRun = Callable[..., RunDirectory]
Where = tuple[Any, ...]
RECIPES = {
    "byol, whitened": (
        "method.name=byol",
        "method.predictor_hidden=16",
        "backbone.whitening=zca",
        "backbone.whitening_groups=16",
    ),
    "sgd": ("optimizer={name: sgd, lr: 0.1, momentum: 0.9}",),
    "lars": ("optimizer={name: lars, lr: 0.3, bias_lr: 0.01, trust: 0.02}",),
}


@pytest.fixture(params=RECIPES)
def run(make_run: MakeRun, request: pytest.FixtureRequest) -> RunDirectory:
    """A run of three steps."""
    run = make_run(*RECIPES[request.param], "schedule.epochs=1", "dataset.train_images=48")
    assert run_session(run.path) == 0
    return run


def resume(run: RunDirectory, saved: dict[str, Any], **known: Any) -> Resumed:
    experiment = parse_experiment(run.config.read_text(), "config.yaml")
    method = build_method(experiment)
    optimizer = build_optimizer(method.trainable_parameters(), experiment.optimizer)
    return resume_from(saved, method, optimizer, **{"images": 48, "split": "train", **known})


def parts(saved: dict[str, Any]) -> Iterator[Where]:
    """The keys of each part of the state."""
    yield from (("position",), ("method",), ("optimizer",), ("best",))
    yield from (("position", name) for name in saved["position"])
    yield from (("method", name) for name in saved["method"])
    yield from (("optimizer", name) for name in saved["optimizer"])
    yield ("optimizer", "param_groups", 0)
    for number, moments in saved["optimizer"]["state"].items():
        yield ("optimizer", "state", number)
        yield from (("optimizer", "state", number, name) for name in moments)


def without(saved: dict[str, Any], where: Where) -> dict[str, Any]:
    left = copy.deepcopy(saved)
    inner: Any = left
    for step in where[:-1]:
        inner = inner[step]
    del inner[where[-1]]
    return left


def test_each_part_is_needed(run: RunDirectory) -> None:
    saved = read_checkpoint(step_checkpoints(run.checkpoints)[-1])
    assert resume(run, saved).position == Position(**saved["position"])
    assert saved["position"]["step"] == 3
    every = list(parts(saved))
    assert len(every) > len(saved["method"]) + 2 * len(saved["optimizer"]["state"]) + 10
    for where in every:
        with pytest.raises(CheckpointError, match="does not fit") as caught:
            resume(run, without(saved, where))
        if where[0] == "method" and len(where) == 2:
            assert where[1] in caught.value.detail
        if where[0] == "position":
            assert f"'{where[-1]}' is missing" in caught.value.detail


def test_other_images_are_an_error(run: RunDirectory) -> None:
    saved = read_checkpoint(step_checkpoints(run.checkpoints)[-1])
    with pytest.raises(CheckpointError, match="images are not those") as caught:
        resume(run, saved, images=47, split="unlabelled")
    assert caught.value.detail == "48 images then, 47 now (unlabelled)"


def test_before_the_first_step_an_optimiser_has_nothing(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1", "dataset.train_images=48")
    assert run_session(run.path) == 0
    saved = read_checkpoint(step_checkpoints(run.checkpoints)[-1])
    saved["optimizer"]["state"] = {}
    saved["position"] = dataclasses.asdict(Position())
    assert resume(run, saved).position.step == 0
