"""The published table, and what runs of one's own put into it.

Rows are methods, columns data sets, and every cell is a shipped preset: the recipe, and the published number
with its source, or no number and the preset's note on why. A run belongs to a cell if it was trained by
that recipe to the last option that matters; one that deviates is a variant, and its accuracy is not counted.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.layers import Layer, build
from wmse_tui.config.loading import SUFFIX, read_config_file, shipped_presets_dir
from wmse_tui.config.names import unions
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config import Configuration, read_configuration
from wmse_tui.runs.table.compare import Spread, spread
from wmse_tui.runs.table.copies import without_copies
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.recipe import deviations, relation

METHOD_TITLES: Mapping[str, str] = MappingProxyType(
    {name: options.model_config.get("title") or name for name, options in unions()["method"].classes.items()}
)
_USUAL_BACKBONE = "resnet18"

Row: TypeAlias = tuple[str, int, str]  # method, views, backbone


@dataclass(frozen=True, slots=True)
class Recipe:
    """A shipped preset: its name and the complete experiment."""

    name: str
    experiment: Experiment


@dataclass(frozen=True, slots=True)
class Published:
    """Accuracies in percent as they are printed, None where no number could be verified; `note` says why."""

    linear: float | None
    knn: float | None
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class OwnRun:
    """A run and its configuration, None where that cannot be read; accuracies are the final ones of `row`."""

    row: RunRow
    experiment: Experiment | None


def load_own_runs(rows: Iterable[RunRow], known: dict[str, Configuration]) -> tuple[OwnRun, ...]:
    """The runs of `rows` with their configurations.

    Args:
        rows: of the list of runs.
        known: configurations by path, which never change; those that are read are added.
    """
    found = []
    for row in rows:
        if row.path not in known:
            known[row.path] = read_configuration(RunDirectory(Path(row.path)))
        found.append(OwnRun(row, known[row.path].experiment))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Variant:
    """A run of a recipe's data set, method and backbone, and the options in which it deviates from it."""

    run: OwnRun
    deviations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Best:
    """The best accuracy (a fraction) of the runs of a cell, and the run that reached it."""

    run_id: str
    path: str
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperCell:
    """A recipe with what was published and what was reached here."""

    preset: str
    experiment: Experiment
    published: Published
    runs: tuple[OwnRun, ...]  # the completed ones of this recipe, without copies
    partial: tuple[OwnRun, ...]  # those that are not completed: running, stopped, failed ...
    variants: tuple[Variant, ...]
    best_linear: Best | None  # of the completed ones
    best_knn: Best | None
    linear: Spread | None  # of the completed ones, fractions
    knn: Spread | None

    @property
    def n(self) -> int:
        """How many completed runs of this recipe there are."""
        return len(self.runs)

    @property
    def linear_difference(self) -> Spread | None:
        """The linear accuracies of the completed runs minus the published one, in points."""
        return _difference(self.linear, self.published.linear)

    @property
    def knn_difference(self) -> Spread | None:
        """As `linear_difference`, of the k-NN accuracies."""
        return _difference(self.knn, self.published.knn)

    @property
    def next_seed(self) -> int:
        """The first seed from the recipe's own that no run of it has used, completed or not."""
        used = {run.experiment.seed for run in (*self.runs, *self.partial) if run.experiment is not None}
        seed = self.experiment.seed
        while seed in used:
            seed += 1
        return seed


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """`cells` by row and column; None where there is no preset."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[PaperCell | None, ...], ...]


def shipped_recipes() -> tuple[Recipe, ...]:
    """The shipped presets that reproduce something published, by name.

    Only the shipped files are read: a user's own preset of the same name was not published.

    Raises:
        ConfigError: the installation is damaged.
    """
    folder = shipped_presets_dir()
    names = sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))
    read = functools.cache(lambda name: read_config_file(folder / f"{name}{SUFFIX}", f"{name}{SUFFIX}"))
    found = []
    for name in names:
        layers: list[Layer] = []
        wanted: str | None = name
        while wanted is not None:
            file = read(wanted)
            layers.insert(0, file.layer)
            wanted = file.extends
        experiment = build(layers)
        if experiment.paper is not None:
            found.append(Recipe(name, experiment))
    return tuple(found)


def published_table(recipes: Sequence[Recipe], runs: Iterable[OwnRun]) -> PublishedTable:
    """The table of `recipes`, each with those of `runs` that belong to it."""
    own = tuple(run for run in runs if run.experiment is not None)
    methods = tuple(unions()["method"].classes)
    rows = sorted({_row(recipe.experiment) for recipe in recipes}, key=lambda row: _row_order(row, methods))
    columns: list[str] = [
        name for name in DATASETS if any(r.experiment.dataset.name == name for r in recipes)
    ]
    by_place: dict[tuple[Row, str], Recipe] = {
        (_row(r.experiment), r.experiment.dataset.name): r for r in recipes
    }
    return PublishedTable(
        rows=tuple(map(_row_title, rows)),
        columns=tuple(DATASETS[name].title for name in columns),
        cells=tuple(
            tuple(_cell(by_place[row, name], own) if (row, name) in by_place else None for name in columns)
            for row in rows
        ),
    )


def _row(experiment: Experiment) -> Row:
    return experiment.method.name, experiment.augmentation.views, experiment.backbone.arch


def _row_order(row: Row, methods: Sequence[str]) -> tuple[bool, int, int, str]:
    method, views, arch = row
    return arch != _USUAL_BACKBONE, methods.index(method), views, arch


def _row_title(row: Row) -> str:
    """`W-MSE 4`; other methods name their views only where they are not two."""
    method, views, arch = row
    title = METHOD_TITLES.get(method, method)
    number = f" {views}" if method in ("w_mse", "cw_rgp") or views != 2 else ""
    return f"{title}{number}" + (f", {arch}" if arch != _USUAL_BACKBONE else "")


def _cell(recipe: Recipe, own: Sequence[OwnRun]) -> PaperCell:
    paper = recipe.experiment.paper
    assert paper is not None, "only recipes with a publication are in the table"
    same: list[OwnRun] = []
    variants: list[Variant] = []
    for run in own:
        if run.experiment is not None:
            how = relation(recipe.experiment, run.experiment)
            if how == "same":
                same.append(run)
            elif how == "variant":
                variants.append(Variant(run, deviations(recipe.experiment, run.experiment)))
    completed = without_copies(
        [run for run in same if run.row.status == "completed"], lambda run: run.row.origin
    )
    linear = [(run, run.row.final_linear) for run in completed]
    knn = [(run, run.row.final_knn) for run in completed if _same_knn(recipe.experiment, run.experiment)]
    return PaperCell(
        preset=recipe.name,
        experiment=recipe.experiment,
        published=Published(paper.linear, paper.knn, paper.source, paper.note),
        runs=completed,
        partial=tuple(run for run in same if run.row.status != "completed"),
        variants=tuple(variants),
        best_linear=_best(linear),
        best_knn=_best(knn),
        linear=spread([accuracy for _, accuracy in linear if accuracy is not None]),
        knn=spread([accuracy for _, accuracy in knn if accuracy is not None]),
    )


def _difference(own: Spread | None, published: float | None) -> Spread | None:
    if own is None or published is None:
        return None
    return Spread(own.n, 100 * own.mean - published, None if own.std is None else 100 * own.std)


def _best(candidates: Iterable[tuple[OwnRun, float | None]]) -> Best | None:
    """The run of the highest accuracy; of equal ones the first."""
    best: Best | None = None
    for run, accuracy in candidates:
        if accuracy is not None and (best is None or accuracy > best.accuracy):
            best = Best(run.row.run_id, run.row.path, accuracy)
    return best


def _same_knn(recipe: Experiment, run: Experiment | None) -> bool:
    """Whether a run's k-NN accuracy is the published kind: as many neighbours, the same distance."""
    return run is not None and (run.evaluation.knn, run.evaluation.neighbours) == (
        recipe.evaluation.knn,
        recipe.evaluation.neighbours,
    )
