"""When two configurations are one experiment: what counts, and what does not."""

from __future__ import annotations

import pytest

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.table.recipe import deviations, recipe_key, relation, repetition_key


def experiment(*overrides: str) -> Experiment:
    return load_experiment(preset="cifar10", overrides=overrides)


CARRIED_OUT = [
    ("seed=7",),
    ("title=Another name",),
    ("compute.device=cuda:1",),
    ("compute.loader=workers", "compute.workers=4", "compute.deterministic=true"),
    ("checkpoint.every_minutes=30", "checkpoint.keep=5"),
    ("dataset.root=/somewhere", "dataset.download=false"),
    ("evaluation.batch_size=64",),
    ("paper=null",),
]
EVALUATED = [("evaluation.linear=lbfgs",), ("evaluation.every=5",), ("evaluation.knn=off",)]
DIFFERENT = [
    ("schedule.epochs=200",),
    ("optimizer.lr=1e-3",),
    ("compute.precision=bfloat16",),
    ("dataset.train_images=10000",),
    ("augmentation.blur_p=0.5",),
    ("method.iterations=4",),
]
FOREIGN = [
    ("method.name=byol",),
    ("augmentation.views=4",),
    ("backbone.arch=resnet34",),
    ("dataset.name=cifar100",),
]


@pytest.mark.parametrize("overrides", CARRIED_OUT)
def test_how_a_run_is_carried_out_does_not_matter(overrides: tuple[str, ...]) -> None:
    assert repetition_key(experiment(*overrides)) == repetition_key(experiment())
    assert relation(experiment(), experiment(*overrides)) == "same"
    assert deviations(experiment(), experiment(*overrides)) == ()


@pytest.mark.parametrize("overrides", EVALUATED)
def test_another_evaluation_is_no_repetition_and_the_same_recipe(overrides: tuple[str, ...]) -> None:
    assert repetition_key(experiment(*overrides)) != repetition_key(experiment())
    assert recipe_key(experiment(*overrides)) == recipe_key(experiment())


@pytest.mark.parametrize("overrides", DIFFERENT)
def test_another_option_makes_a_variant_and_is_named(overrides: tuple[str, ...]) -> None:
    assert relation(experiment(), experiment(*overrides)) == "variant"
    assert deviations(experiment(), experiment(*overrides)) == (overrides[0].partition("=")[0],)


@pytest.mark.parametrize("overrides", FOREIGN)
def test_another_method_data_set_backbone_or_number_of_views_is_something_else(
    overrides: tuple[str, ...],
) -> None:
    assert relation(experiment(), experiment(*overrides)) == "other"


def test_options_of_one_method_deviate_from_those_of_another() -> None:
    assert deviations(experiment(), experiment("method.name=simclr")) == (
        "method.name",
        "method.whitening_size",
        "method.iterations",
        "method.operator",
        "method.steps",
        "method.eps",
        "method.relative_eps",
        "method.normalize",
        "method.temperature",
        "method.output_batch_norm",
    )
