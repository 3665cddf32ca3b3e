"""Experiments option by option, and the options in which they differ."""

from __future__ import annotations

import pytest

from wmse_tui.config.diff import Value, differing, flatten, value_text
from wmse_tui.config.loading import load_experiment
from wmse_tui.config.names import option_names


def test_options_are_listed_in_the_order_of_the_schema_and_hold_no_lists() -> None:
    values = flatten(load_experiment(preset="cifar10"))
    assert list(values) == [name for name in option_names() if name in values]
    assert list(values)[:3] == ["title", "seed", "dataset.name"]
    assert values["schedule.milestones"] == (50, 25)
    assert values["dataset.root"] is None
    assert hash(tuple(values.items()))
    assert "paper.knn" not in flatten(load_experiment(preset="cifar10", overrides=["paper=null"]))


def test_options_that_are_not_the_same_in_all_differ() -> None:
    flat = [
        flatten(load_experiment(preset="cifar10", overrides=overrides))
        for overrides in ([], ["seed=3"], ["method.name=byol", "optimizer.lr=0.5"])
    ]
    assert differing(*flat[:1]) == differing(flat[0], flat[0]) == ()
    assert differing(*flat[:2]) == ("seed",)
    names = differing(*flat)
    assert {"seed", "optimizer.lr", "method.name", "method.momentum", "method.whitening_size"} < {*names}
    assert list(names) == [name for name in option_names() if name in names]


def test_an_option_that_only_one_has_differs_from_none() -> None:
    none = {"dataset.root": None, "seed": 1}
    assert differing(none, {"seed": 1}) == ("dataset.root",)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1e-6, "1e-06"),
        ((50, 25), "[50, 25]"),
        ("a", "a"),
    ],
)
def test_a_value_has_the_text_of_yaml(value: Value, text: str) -> None:
    assert value_text(value) == text
