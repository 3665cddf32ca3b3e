"""A grid of experiments: a few options, each with a list of values, all combinations.

    --sweep seed=0,1,2 --sweep method.whitening_size=64,128        six runs
    --sweep schedule.milestones=[50,25],[30]                       two: a comma inside brackets is the value's

All problems of all combinations are reported at once, before any run is created.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from wmse_tui.config.problems import ConfigError, Problem, quoted
from wmse_tui.config.schema import Experiment

MOST_KEYS = 3
MOST_RUNS = 64
_OPENING, _CLOSING = "[{", "]}"


@dataclass(frozen=True, slots=True)
class Axis:
    """One option and its values, as they were typed."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One experiment of a grid, and what sets it apart from the others: "seed=0"."""

    settings: tuple[str, ...]
    experiment: Experiment


def read_axes(sweeps: Sequence[str], overrides: Sequence[str] = ()) -> tuple[Axis, ...]:
    """The axes of `KEY=V1,V2,...` texts.

    Raises:
        ConfigError: every mistake: no values, one twice, a key twice or also among `overrides`,
            too many of either.
    """
    axes: list[Axis] = []
    problems: list[Problem] = []
    fixed = {override.partition("=")[0].strip() for override in overrides}

    def wrong(key: str, message: str, hint: str = "") -> None:
        problems.append(Problem(key, message, hint, source=f"--sweep {key}".strip()))

    for text in sweeps:
        key, equals, rest = (part.strip() for part in text.partition("="))
        values = _split(rest)
        if not equals or not all(key.split(".")):
            wrong("", f"expected KEY=V1,V2,... (seed=0,1,2), got {quoted(text)}")
            continue
        if not all(values):
            wrong(key, f"expected values between the commas, got {quoted(rest)}")
        elif len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            wrong(key, f"the value {quoted(twice)} is listed twice", "give each value once")
        if any(axis.key == key for axis in axes):
            wrong(key, "this option is swept twice", "give all its values in one --sweep")
        if key in fixed:
            wrong(key, "this option is both set and swept", "drop the --set")
        axes.append(Axis(key, values))
    if len(axes) > MOST_KEYS:
        wrong("", f"at most {MOST_KEYS} options can be swept at once, got {len(axes)}")
    size = math.prod(len(axis.values) for axis in axes)
    if size > MOST_RUNS and not problems:
        wrong("", f"the sweep has {size} runs, at most {MOST_RUNS} are created at once", "split it")
    if problems:
        raise ConfigError(problems)
    return tuple(axes)


def read_grid(axes: Sequence[Axis], load: Callable[[Sequence[str]], Experiment]) -> tuple[Point, ...]:
    """Every combination, the first axis outermost.

    Args:
        axes: the options and their values.
        load: the experiment with some `KEY=VALUE` set.

    Raises:
        ConfigError: all problems of all combinations, each once.
    """
    points: list[Point] = []
    problems: dict[tuple[str, str, str | None], Problem] = {}
    for values in product(*(axis.values for axis in axes)):
        settings = tuple(f"{axis.key}={value}" for axis, value in zip(axes, values, strict=True))
        try:
            experiment = load(settings)
        except ConfigError as error:
            for problem in error.problems:
                found = _located(problem, settings)
                problems.setdefault((found.path, found.message, found.source), found)
            continue
        same = next((point for point in points if point.experiment == experiment), None)
        if same is not None:
            both = f"{', '.join(same.settings)} and {', '.join(settings)} are the same experiment"
            problems[both, both, ""] = Problem("", both, "give each value once", source="--sweep")
        points.append(Point(settings, experiment))
    if problems:
        raise ConfigError(problems.values())
    return tuple(points)


def _located(problem: Problem, settings: Sequence[str]) -> Problem:
    """The problem with the value of the sweep that caused it as its source."""
    for setting in settings:
        if problem.source == f"--set {setting.partition('=')[0]}":
            return replace(problem, source=f"--sweep {setting}")
    return problem


def _split(text: str) -> tuple[str, ...]:
    """The parts between commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in _OPENING:
            depth += 1
        elif c in _CLOSING:
            depth -= 1
        elif c == "," and depth <= 0:
            parts.append("")
            continue
        parts[-1] += c
    return tuple(part.strip() for part in parts)
