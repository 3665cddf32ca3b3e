"""Sweeps: the runs they give, and all their problems at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sweep import Axis, read_axes, read_grid


def quickstart(settings: Sequence[str]) -> Experiment:
    return load_experiment(preset="quickstart", overrides=["optimizer.lr=1e-3", *settings])


def test_all_combinations_the_first_axis_outermost() -> None:
    axes = read_axes(["seed=0,1,2", "schedule.epochs=4, 8"])
    assert axes == (Axis("seed", ("0", "1", "2")), Axis("schedule.epochs", ("4", "8")))
    points = read_grid(axes, quickstart)
    assert [(p.experiment.seed, p.experiment.schedule.epochs) for p in points] == [
        (0, 4),
        (0, 8),
        (1, 4),
        (1, 8),
        (2, 4),
        (2, 8),
    ]
    assert {p.experiment.optimizer.lr for p in points} == {1e-3}
    assert points[3].settings == ("seed=1", "schedule.epochs=8")


def test_a_comma_in_brackets_or_quotes_is_the_values() -> None:
    assert read_axes(["a.b=[50,25],[30]", 'title="x, y",z']) == (
        Axis("a.b", ("[50,25]", "[30]")),
        Axis("title", ('"x, y"', "z")),
    )


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        (["seed"], "expected KEY=V1,V2,... (seed=0,1,2), got 'seed'"),
        (["seed=0,,1"], "--sweep seed: expected values between the commas, got '0,,1'"),
        (["seed=1,1"], "the value '1' is listed twice"),
        (["seed=1", "seed=2"], "this option is swept twice"),
        (["optimizer.lr=1,2"], "this option is both set and swept"),
        (["a=1", "b=1", "c=1", "d=1"], "at most 3 options can be swept at once, got 4"),
        ([f"seed={','.join(map(str, range(65)))}"], "the sweep has 65 runs, at most 64"),
    ],
)
def test_a_mistake_in_a_sweep_is_reported(sweeps: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_axes(sweeps, ["optimizer.lr=1e-3"])
    assert message in str(caught.value)


def test_every_bad_value_is_reported_once_with_its_sweep() -> None:
    axes = read_axes(["seed=0,x", "schedule.epochs=4,-1"])
    with pytest.raises(ConfigError) as caught:
        read_grid(axes, quickstart)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("--sweep schedule.epochs=-1: ")
    assert lines[1].startswith("--sweep seed=x: ")


def test_two_spellings_of_one_value_are_one_experiment() -> None:
    axes = read_axes(["optimizer.lr=1e-3,0.001"])
    with pytest.raises(ConfigError, match=r"lr=1e-3 and optimizer.lr=0.001 are the same experiment"):
        read_grid(axes, quickstart)
