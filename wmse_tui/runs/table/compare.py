"""Several runs beside each other: configuration, results, and mean and deviation over seeds.

Accuracies are fractions. The final one is that of the last evaluation; the best one was selected on the
test set, so optimistically biased. Means and spreads are taken over repetitions: completed runs that
differ in nothing that matters but the seed, each counted once however often it was copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, TypeAlias

from wmse_tui.config.diff import Value, differing, flatten, value_text
from wmse_tui.config.names import field_of
from wmse_tui.runs.state.config import Configuration
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.transfer_results import SavedTransfer
from wmse_tui.runs.table.copies import without_copies
from wmse_tui.runs.table.index import RunRow, run_row
from wmse_tui.runs.table.recipe import repetition_key
from wmse_tui.runs.table.transfer_table import TransferColumn, transfer_table

MOST = 8  # runs that can be distinguished on one chart


@dataclass(frozen=True, slots=True)
class Subject:
    """A run to compare: its state, configuration (`read_configuration`) and transfer (`read_transfer`)."""

    state: RunState
    configuration: Configuration
    transfer: Sequence[SavedTransfer] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The row of one run, and what a comparison shows besides.

    `elapsed_seconds` is all of the trainers' time (`RunState.elapsed`); `training_seconds` and
    `images_per_second` are of the completed epochs alone, without evaluations. An accuracy is compared with
    those of the same test images (`tested_on` as text, and their fingerprint) and the same `neighbours` only.
    """

    row: RunRow
    config_problem: str  # why its configuration cannot be compared
    total_steps: int
    final_epoch: int | None  # of the last evaluation
    elapsed_seconds: float | None
    training_seconds: float | None
    images_per_second: float | None
    tested_on: str = ""
    test_fingerprint: str = ""
    neighbours: str = ""


Measure: TypeAlias = Literal["linear", "knn"]


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of one option in one run: set, absent (its method has no such option) or unreadable."""

    state: Literal["set", "absent", "unreadable"]
    value: Value = None

    def text(self) -> str:
        """As one would write it in YAML; empty where it is absent, a question mark where unreadable."""
        if self.state == "set":
            return value_text(self.value)
        return "" if self.state == "absent" else "?"


@dataclass(frozen=True, slots=True)
class Difference:
    """An option that is not the same in all runs, with its value in each."""

    key: str
    title: str
    unit: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of `n` values and their sample standard deviation (n - 1), None for a single value."""

    n: int
    mean: float
    std: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionGroup:
    """Runs that repeat one experiment; a spread is over those of `completed` that have the number."""

    places: tuple[int, ...]  # of its runs in the comparison, from 0
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    completed: tuple[str, ...]  # without copies
    final_knn: Spread | None
    final_linear: Spread | None
    best_knn: Spread | None
    best_linear: Spread | None
    elapsed_seconds: Spread | None
    training_seconds: Spread | None
    images_per_second: Spread | None
    copies: tuple[str, ...] = ()  # completed runs that are copies of others of the group, and not counted


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs in the order of the arguments, how they differ, which repeat each other, and their transfer."""

    results: tuple[Result, ...]
    differences: tuple[Difference, ...]
    groups: tuple[RepetitionGroup, ...]
    transfer: tuple[TransferColumn, ...] = ()


def compare(subjects: Sequence[Subject]) -> Comparison:
    """The comparison of `subjects`; one with an unreadable configuration has results alone."""
    results = tuple(_result(subject) for subject in subjects)
    return Comparison(
        results,
        _differences(subjects),
        _groups(subjects, results),
        transfer_table([subject.transfer for subject in subjects]),
    )


def unlike(results: Sequence[Result], measure: Measure | None = None) -> str:
    """Why none of `results` has the best accuracy (or that of one measure); "" where they can be compared."""
    for name in ("linear", "knn") if measure is None else (measure,):
        measured = [one for one in results if getattr(one.row, f"final_{name}") is not None]
        images = {one.tested_on: None for one in measured if one.tested_on}
        prints = {one.test_fingerprint: f"{one.tested_on} {one.test_fingerprint}" for one in measured}
        if len(prints) > 1 and all(prints):
            return f"tested on {' and on '.join(images if len(images) > 1 else prints.values())}"
        if len(images) > 1 and not all(prints):
            return f"tested on {' and on '.join(images)}"
        neighbours = {one.neighbours: None for one in measured if one.neighbours and name == "knn"}
        if len(neighbours) > 1:
            return f"k-NN is {' and '.join(neighbours)}"
    return ""


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and sample standard deviation; None of no values."""
    n = len(values)
    if n == 0:
        return None
    mean = sum(values) / n
    if n == 1:
        return Spread(1, mean, None)
    return Spread(n, mean, sqrt(sum((value - mean) ** 2 for value in values) / (n - 1)))


def _result(subject: Subject) -> Result:
    state = subject.state
    final = state.final
    tested_on, fingerprint = _tested_on(subject)
    return Result(
        row=run_row(state),
        config_problem=subject.configuration.problem,
        total_steps=state.total_steps,
        final_epoch=final.epoch if final is not None else None,
        elapsed_seconds=state.elapsed if state.started is not None else None,
        training_seconds=sum(epoch.seconds for epoch in state.epoch_rows) if state.epoch_rows else None,
        images_per_second=_throughput(state),
        tested_on=tested_on,
        test_fingerprint=fingerprint,
        neighbours=f"{final.knn.k}-NN ({final.knn.metric})" if final is not None and final.knn else "",
    )


def _tested_on(subject: Subject) -> tuple[str, str]:
    """The data set and split of the final evaluation; the fingerprint of its images, where the log has it."""
    final, experiment = subject.state.final, subject.configuration.experiment
    if final is None:
        return "", ""
    name = subject.state.summary.dataset
    if experiment is not None:
        dataset = experiment.dataset
        folder = dataset.probe_test or (dataset.root if dataset.name == "folder" else None)
        name = dataset.name if folder is None else f"folder {folder.name}"
    found = re.search(re.escape(final.test_split) + r" ([0-9a-f]{16})\b", _fingerprints(subject.state))
    return f"{name}, {final.test_split}", found[1] if found is not None else ""


def _fingerprints(state: RunState) -> str:
    """The splits of the run's images, each with a fingerprint, as logged by the latest attempt; or ""."""
    return next((notice.text for notice in reversed(state.notices) if notice.code == "N_IMAGES"), "")


def _throughput(state: RunState) -> float | None:
    """Images per second over all completed epochs, each weighing as long as it took."""
    rows = [(row.images_per_second, row.seconds) for row in state.epoch_rows if row.images_per_second]
    seconds = sum(took for _, took in rows)
    return sum(speed * took for speed, took in rows) / seconds if seconds > 0 else state.images_per_second


def _differences(subjects: Sequence[Subject]) -> tuple[Difference, ...]:
    experiments = [subject.configuration.experiment for subject in subjects]
    flat = [None if experiment is None else flatten(experiment) for experiment in experiments]
    return tuple(
        Difference(key, _title(key), _unit(key), tuple(setting_of(values, key) for values in flat))
        for key in differing(*(values for values in flat if values is not None))
    )


def setting_of(values: Mapping[str, Value] | None, key: str) -> Setting:
    """The option `key` among those of a run; None: they cannot be read."""
    if values is None:
        return Setting("unreadable")
    return Setting("set", values[key]) if key in values else Setting("absent")


def _title(key: str) -> str:
    field = field_of(key)
    return (field.title if field is not None else None) or key


def _unit(key: str) -> str:
    field = field_of(key)
    extra = field.json_schema_extra if field is not None else None
    found = extra.get("unit") if isinstance(extra, dict) else None
    return found if isinstance(found, str) else ""


def _groups(subjects: Sequence[Subject], results: Sequence[Result]) -> tuple[RepetitionGroup, ...]:
    """The runs by what they repeat; one whose configuration is unreadable is in no group."""
    members: dict[object, list[int]] = {}
    for place, subject in enumerate(subjects):
        if subject.configuration.experiment is not None:
            experiment = subject.configuration.experiment
            # A folder may have been moved: its images are what their fingerprints are.
            images = _fingerprints(subject.state) if experiment.dataset.name == "folder" else ""
            members.setdefault((repetition_key(experiment), images), []).append(place)
    return tuple(_group(places, [results[place] for place in places]) for places in members.values())


def _group(places: Sequence[int], results: Sequence[Result]) -> RepetitionGroup:
    ended = [result for result in results if result.row.status == "completed"]
    completed = without_copies(ended, lambda result: result.row.origin)

    def over(number: Callable[[Result], float | None]) -> Spread | None:
        return spread([value for value in map(number, completed) if value is not None])

    return RepetitionGroup(
        places=tuple(places),
        runs=tuple(result.row.run_id for result in results),
        seeds=tuple(result.row.seed for result in results),
        completed=tuple(result.row.run_id for result in completed),
        copies=tuple(result.row.run_id for result in ended if result not in completed),
        final_knn=over(lambda result: result.row.final_knn),
        final_linear=over(lambda result: result.row.final_linear),
        best_knn=over(lambda result: result.row.best_knn),
        best_linear=over(lambda result: result.row.best_linear),
        elapsed_seconds=over(lambda result: result.elapsed_seconds),
        training_seconds=over(lambda result: result.training_seconds),
        images_per_second=over(lambda result: result.images_per_second),
    )
