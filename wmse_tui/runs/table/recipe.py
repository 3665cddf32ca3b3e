"""When two configurations are the same experiment, and in which options two of them differ.

Some options define how a run is carried out and not what it is: the title, the device, the folder of the
images, how often it is saved. Runs that agree in all others and differ in the seed are repetitions of one
experiment. Runs that differ in how they were evaluated besides followed the same training recipe. The
precision of the arithmetic is part of what a run is, whatever its section.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from wmse_tui.config.diff import Value, differing, flatten
from wmse_tui.config.schema import Experiment

Relation: TypeAlias = Literal["same", "variant", "other"]
RepetitionKey: TypeAlias = tuple[tuple[str, Value], ...]

_CARRYING_OUT = (  # besides the seed, and all of the sections below
    "title",
    "seed",
    "dataset.root",
    "dataset.download",
    "compute.device",
    "compute.devices",
    "compute.loader",
    "compute.workers",
    "compute.deterministic",
    "evaluation.batch_size",
)
_CARRYING_OUT_SECTIONS = ("checkpoint", "paper")


def repetition_key(experiment: Experiment) -> RepetitionKey:
    """Equal for runs that differ in nothing that matters but the seed."""
    return repetition_key_of(flatten(experiment))


def repetition_key_of(options: Mapping[str, Value]) -> RepetitionKey:
    """As `repetition_key`, of an experiment that is flat already."""
    return tuple((name, value) for name, value in options.items() if not carries_out(name))


def recipe_key(experiment: Experiment) -> tuple[tuple[str, Value], ...]:
    """Equal for runs of one training recipe, however their encoders were evaluated."""
    return tuple(item for item in repetition_key(experiment) if not item[0].startswith("evaluation."))


def relation(recipe: Experiment, run: Experiment) -> Relation:
    """What `run` is to `recipe`; a variant has its data set, method, number of views and backbone."""
    if _kind(recipe) != _kind(run):
        return "other"
    return "same" if recipe_key(recipe) == recipe_key(run) else "variant"


def deviations(recipe: Experiment, run: Experiment) -> tuple[str, ...]:
    """The options in which `run` deviates from the training recipe, in the order of the schema."""
    return differing(dict(recipe_key(recipe)), dict(recipe_key(run)))


def _kind(experiment: Experiment) -> tuple[str, str, int, str]:
    return (
        experiment.dataset.name,
        experiment.method.name,
        experiment.augmentation.views,
        experiment.backbone.arch,
    )


def carries_out(name: str) -> bool:
    """Whether an option defines how a run is carried out (or is its seed), and not what it is."""
    return name in _CARRYING_OUT or name.partition(".")[0] in _CARRYING_OUT_SECTIONS
