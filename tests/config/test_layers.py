"""How layers override each other: which wins, what is dropped, and which line a problem has."""

from __future__ import annotations

import pytest

from wmse_tui.config.layers import Layer, build
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.paper import Paper
from wmse_tui.config.yaml import read_yaml


def layer(text: str, source: str) -> Layer:
    document = read_yaml(text, source)
    return Layer(document.values, source, document.lines)


def built(*texts: str) -> Experiment:
    return build(layer(text, f"{number}.yaml") for number, text in enumerate(texts))


def errors(*texts: str) -> str:
    with pytest.raises(ConfigError) as caught:
        built(*texts)
    return str(caught.value)


def test_no_layer_at_all_gives_the_defaults() -> None:
    assert build(()) == Experiment()


def test_the_upper_layer_wins_option_by_option() -> None:
    experiment = built("seed: 1\noptimizer: {lr: 0.1, beta1: 0.5}", "optimizer: {lr: 0.2}")
    assert experiment.seed == 1
    assert experiment.optimizer.model_dump() == {
        "name": "adam",
        "lr": 0.2,
        "weight_decay": 1e-6,
        "beta1": 0.5,
        "beta2": 0.999,
    }


def test_a_list_is_replaced_as_a_whole() -> None:
    experiment = built("schedule: {milestones: [9, 8, 7]}", "schedule: {milestones: [5]}")
    assert experiment.schedule.model_dump()["milestones"] == (5,)


def test_a_new_method_drops_the_options_that_it_lacks_and_keeps_the_others() -> None:
    lower = "optimizer: {name: adam, lr: 0.1, beta1: 0.5}\nmethod: {whitening_size: 256}"
    experiment = built(lower, "optimizer: {name: sgd}\nmethod: {name: simclr}")
    assert experiment.optimizer.model_dump() == {
        "name": "sgd",
        "lr": 0.1,
        "weight_decay": 1e-4,
        "momentum": 0.9,
        "nesterov": False,
    }
    assert experiment.method.name == "simclr"


def test_a_new_schedule_keeps_what_all_schedules_share() -> None:
    experiment = built("schedule: {epochs: 200, milestones: [5]}", "schedule: {kind: cosine}")
    assert (experiment.schedule.kind, experiment.schedule.epochs) == ("cosine", 200)


def test_naming_the_same_method_again_drops_nothing() -> None:
    experiment = built("method: {whitening_size: 256}", "method: {name: w_mse}")
    assert experiment.method.model_dump()["whitening_size"] == 256


def test_a_wrong_method_hides_no_other_problem() -> None:
    text = errors("method: {whitening_size: 256}", "method: {name: no_such_method}\nseed: x")
    seed, method = text.splitlines()
    assert seed == "1.yaml:2: seed: expected a whole number, got 'x'"
    assert method.startswith("1.yaml:1: method.name: expected one of w_mse, simclr, byol, ")
    assert method.endswith(", got 'no_such_method'")


def test_an_option_of_the_old_method_in_the_same_layer_is_a_mistake() -> None:
    assert errors("", "method: {name: byol, output_batch_norm: true}") == (
        "1.yaml:1: method.output_batch_norm: unknown key; only method.name=simclr or simsiam has it"
    )


@pytest.mark.parametrize(
    "clearing",
    [
        "optimizer: {lr: null}",
        "optimizer: null",
        "dataset: {eval_resize: null, eval_crop: ~}",
        "dataset:",
        "seed: null",
        "method: {name: null, temperature: null}",
        "method: null",
        "title: null\npaper: null",
        "paper: {linear: null, source: null}",
    ],
)
def test_null_clears_the_values_of_lower_layers(clearing: str) -> None:
    lower = {
        "optimizer": "optimizer: {lr: 0.5}",
        "dataset": "dataset: {eval_resize: 70, eval_crop: 64}",
        "seed": "seed: 3",
        "method": "method: {name: simclr, temperature: 0.2}",
        "title": "title: T\npaper: {linear: 1, source: S}",
        "paper": "paper: {linear: 1, source: S}",
    }[clearing.partition(":")[0]]
    assert built(lower) != Experiment()
    assert built(lower, clearing) == Experiment(paper=Paper() if clearing.startswith("paper") else None)


def test_null_does_not_make_an_unknown_key_valid() -> None:
    assert errors("optimizer: {lrr: null}") == (
        "0.yaml:1: optimizer.lrr: unknown key; did you mean optimizer.lr?"
    )
    assert errors("optimiser: null") == "0.yaml:1: optimiser: unknown key; did you mean optimizer?"


@pytest.mark.parametrize(
    "change",
    [
        "dataset: {name: stl10}",
        "augmentation: {views: 4}",
        "backbone: {arch: resnet50}",
        "method: {name: byol}",
    ],
)
def test_a_change_of_the_recipe_drops_the_title_and_the_published_number(change: str) -> None:
    lower = "title: W-MSE 2\npaper: {linear: 91, source: S}"
    experiment = built(lower, change)
    assert (experiment.title, experiment.paper) == ("", None)
    own = built(lower, f"{change}\ntitle: mine\npaper: {{knn: 80, source: T}}")
    assert own.title == "mine"
    assert own.paper is not None
    assert (own.paper.linear, own.paper.knn, own.paper.source) == (None, 80, "T")


@pytest.mark.parametrize(
    "change", ["schedule: {epochs: 100}", "dataset: {name: cifar10}", "seed: 1", "augmentation: {}"]
)
def test_any_other_change_keeps_title_and_published_number(change: str) -> None:
    experiment = built("title: W-MSE 2\npaper: {linear: 91, source: S}", change)
    assert experiment.title == "W-MSE 2"
    assert experiment.paper is not None


def test_each_problem_has_the_line_of_the_layer_that_set_it() -> None:
    assert errors("seed: x\noptimizer:\n  lr: x", "\nseed: y").splitlines() == [
        "1.yaml:2: seed: expected a whole number, got 'y'",
        "0.yaml:3: optimizer.lr: expected a number, got 'x'",
    ]


def test_a_problem_of_a_default_has_the_line_of_its_section_or_none() -> None:
    assert errors("seed: 1\nschedule:\n  epochs: 10").startswith("0.yaml:2: schedule.milestones: a drop 50")
    assert errors("projector: {dim: 128}").startswith("method.whitening_size: 128 images")


def test_a_cleared_value_leaves_no_line_behind() -> None:
    text = errors(
        "schedule:\n  milestones: [50, 25]\n",
        "schedule: null",
        "projector: {dim: 200}",
        "schedule: {epochs: 9}",
    )
    assert "3.yaml:1: schedule.milestones" in text


def test_a_section_that_is_no_section_is_fixed_by_an_upper_layer() -> None:
    assert built("optimizer: 3", "optimizer: {lr: 0.5}").optimizer.lr == 0.5
    assert errors("optimizer: {lr: 1}", "optimizer: 3") == (
        "1.yaml:1: optimizer: expected a section of keys and values, got 3"
    )
