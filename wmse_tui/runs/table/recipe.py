"""When two configurations are the same experiment, and what sets two of them apart.

Some options say how a run is carried out and not what it is: the title, the device, where the images lie,
how often it is saved. Runs that agree in all others and differ in the seed are repetitions of one
experiment. Runs that differ in how they were evaluated besides followed the same training recipe. The
precision of the arithmetic is part of what a run is, whatever section it stands in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

from wmse_tui.config.loading import parse_experiment
from wmse_tui.config.names import dotted_names, sections
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.yaml import MAX_BYTES
from wmse_tui.runs.directory import RunDirectory

Value: TypeAlias = str | int | float | bool | tuple["Value", ...] | None
Relation: TypeAlias = Literal["same", "variant", "other"]

_CARRYING_OUT = (  # besides the seed, and all of the sections below
    "title",
    "seed",
    "dataset.root",
    "dataset.download",
    "compute.device",
    "compute.loader",
    "compute.workers",
    "compute.deterministic",
    "evaluation.batch_size",
)
_CARRYING_OUT_SECTIONS = ("checkpoint", "paper")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration of a run: the experiment, or else why it cannot be read."""

    experiment: Experiment | None
    problem: str = ""


def read_configuration(run: RunDirectory) -> Configuration:
    """The configuration of `run`, which never changes; never raises for what is in the file."""
    try:
        with run.config.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
        return Configuration(parse_experiment(text, "config.yaml"))
    except OSError as error:
        return Configuration(None, f"config.yaml cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        return Configuration(None, "config.yaml is no text")
    except ConfigError as error:
        more = len(error.problems) - 1
        return Configuration(None, error.problems[0].text() + (f" (and {more} more)" if more else ""))


def flat(experiment: Experiment) -> dict[str, Value]:
    """Every option of `experiment` by its dotted name, in the order of the schema."""
    values = experiment.model_dump(mode="json")
    found: dict[str, Value] = {}
    for name in option_names():
        section, _, leaf = name.partition(".")
        if not leaf:
            found[name] = _frozen(values[name])
        elif isinstance(values[section], dict) and leaf in values[section]:
            found[name] = _frozen(values[section][leaf])
    return found


@cache
def option_names() -> tuple[str, ...]:
    """The dotted names of all options of all variants, in the order of the schema."""
    return tuple(name for name in dotted_names() if name not in sections())


def repetition_key(experiment: Experiment) -> tuple[tuple[str, Value], ...]:
    """Equal for runs that differ in nothing that matters but the seed."""
    return tuple((name, value) for name, value in flat(experiment).items() if not carries_out(name))


def recipe_key(experiment: Experiment) -> tuple[tuple[str, Value], ...]:
    """Equal for runs of one training recipe, however their encoders were evaluated."""
    return tuple(item for item in repetition_key(experiment) if not item[0].startswith("evaluation."))


def relation(recipe: Experiment, run: Experiment) -> Relation:
    """What `run` is to `recipe`; a variant has its data set, method, number of views and backbone."""
    if _kind(recipe) != _kind(run):
        return "other"
    return "same" if recipe_key(recipe) == recipe_key(run) else "variant"


def deviations(recipe: Experiment, run: Experiment) -> tuple[str, ...]:
    """The options in which `run` leaves the training recipe, in the order of the schema."""
    mine, theirs = dict(recipe_key(recipe)), dict(recipe_key(run))
    return tuple(
        name
        for name in option_names()
        if (name in mine, mine.get(name)) != (name in theirs, theirs.get(name))
    )


def _kind(experiment: Experiment) -> tuple[str, str, int, str]:
    return (
        experiment.dataset.name,
        experiment.method.name,
        experiment.augmentation.views,
        experiment.backbone.arch,
    )


def carries_out(name: str) -> bool:
    """Whether an option says how a run is carried out (or is its seed), and not what it is."""
    return name in _CARRYING_OUT or name.partition(".")[0] in _CARRYING_OUT_SECTIONS


def _frozen(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    assert value is None or isinstance(value, (str, int, float)), "an option is plain data"
    return value
