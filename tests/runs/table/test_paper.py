"""The published table: what the shipped presets claim, and which runs may stand in its cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment, parse_experiment
from wmse_tui.config.names import unions
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.paper import (
    METHOD_TITLES,
    Best,
    OwnRun,
    PaperCell,
    PublishedTable,
    Recipe,
    published_table,
    shipped_recipes,
)


@pytest.fixture(autouse=True)
def _no_own_presets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WMSE_TUI_PRESETS", str(tmp_path))


def cell(table: PublishedTable, row: str, column: str) -> PaperCell:
    found = table.cells[table.rows.index(row)][table.columns.index(column)]
    assert found is not None
    return found


def own(
    name: str,
    *overrides: str,
    preset: str = "cifar10",
    linear: float | None = 0.9,
    knn: float | None = 0.8,
    state: Status = "completed",
) -> OwnRun:
    """A run as it comes from its directory: launched from a preset, written down and read again."""
    text = dump_experiment(load_experiment(preset=preset, overrides=overrides))
    row = RunRow(run_id=name, path=f"/runs/{name}", status=state, final_linear=linear, final_knn=knn)
    return OwnRun(row, parse_experiment(text, "config.yaml"))


def names(runs: tuple[OwnRun, ...]) -> list[str]:
    return [run.row.run_id for run in runs]


def with_runs(*runs: OwnRun) -> PublishedTable:
    return published_table(shipped_recipes(), runs)


def test_the_table_is_that_of_the_shipped_presets() -> None:
    table = with_runs()
    assert table.rows[:4] == ("W-MSE 2", "W-MSE 4", "SimCLR", "BYOL")
    assert {"CW-RGP 2", "CW-RGP 4"} <= set(table.rows)
    assert table.columns == ("CIFAR-10", "CIFAR-100", "STL-10", "Tiny ImageNet", "ImageNet-100")
    names = [[None if c is None else c.preset for c in row] for row in table.cells]
    assert names[0] == ["cifar10", "cifar100", "stl10", "tiny_imagenet", "imagenet100"]
    assert names[3] == ["cifar10-byol", "cifar100-byol", "stl10-byol", "tiny_imagenet-byol", None]
    first = cell(table, "W-MSE 2", "CIFAR-10").published
    assert (first.linear, first.knn) == (91.55, 89.69)
    assert first.source.startswith("Ermolov et al. 2021, Table 1")


def test_every_number_is_the_one_in_the_file_of_its_preset() -> None:
    for row in with_runs().cells:
        for found in row:
            if found is not None:
                paper = load_experiment(preset=found.preset).paper
                assert paper is not None
                assert (found.published.linear, found.published.knn) == (paper.linear, paper.knn)


@pytest.mark.parametrize(
    ("row", "column"), [("W-MSE 4", "STL-10"), ("W-MSE 2", "ImageNet-100"), ("W-MSE 4", "ImageNet-100")]
)
def test_an_unverified_cell_has_no_number_and_says_why(row: str, column: str) -> None:
    found = cell(with_runs(), row, column)
    assert (found.published.linear, found.published.knn) == (None, None)
    assert found.published.note == "unverified: the number was not found in any text that could be read"


def test_quickstart_is_in_no_paper_and_not_in_the_table() -> None:
    assert "quickstart" not in {recipe.name for recipe in shipped_recipes()}


def test_a_preset_of_the_users_own_is_not_what_was_published(tmp_path: Path) -> None:
    (tmp_path / "cifar10.yaml").write_text("extends: cifar10\nschedule: {epochs: 5, milestones: []}\n")
    (tmp_path / "mine.yaml").write_text("extends: cifar10\npaper: {linear: 99.9, source: me}\n")
    recipes = {recipe.name: recipe.experiment for recipe in shipped_recipes()}
    assert "mine" not in recipes
    assert recipes["cifar10"].schedule.epochs == 1000
    assert recipes["cifar100"].schedule.epochs == 1000


def test_every_method_has_a_title() -> None:
    assert set(METHOD_TITLES) == set(unions()["method"].classes)
    assert METHOD_TITLES["barlow_twins"] == "Barlow Twins"
    assert not [name for name, title in METHOD_TITLES.items() if title == name]


def test_completed_runs_of_the_recipe_are_counted_and_the_best_stands_in_the_cell() -> None:
    table = with_runs(
        own("a", "seed=1", linear=0.91, knn=0.80),
        own("b", "seed=2", "compute.device=cuda:1", "dataset.root=/data", linear=0.90, knn=0.85),
        own("c", preset="cifar10-byol", linear=0.99),
    )
    found = cell(table, "W-MSE 2", "CIFAR-10")
    assert (found.n, names(found.runs), found.partial, found.variants) == (2, ["a", "b"], (), ())
    assert found.best_linear == Best("a", "/runs/a", 0.91)
    assert found.best_knn == Best("b", "/runs/b", 0.85)
    assert found.linear is not None
    assert found.linear.n == 2
    assert found.linear.mean == pytest.approx(0.905)
    assert found.linear.std == pytest.approx(0.0001**0.5 / 2**0.5)
    assert cell(table, "BYOL", "CIFAR-10").n == 1
    assert cell(table, "W-MSE 4", "CIFAR-10").n == 0


def test_a_run_with_other_epochs_is_a_variant_and_not_the_recipe() -> None:
    found = cell(with_runs(own("short", "schedule.epochs=200", linear=0.99)), "W-MSE 2", "CIFAR-10")
    assert (found.n, found.runs, found.partial) == (0, (), ())
    assert [(v.run.row.run_id, v.deviations) for v in found.variants] == [("short", ("schedule.epochs",))]
    assert (found.best_linear, found.best_knn) == (None, None)


def test_an_unfinished_run_is_partial_and_its_accuracy_does_not_count() -> None:
    table = with_runs(
        own("going", linear=0.99, state="running"), own("stopped", state="stopped"), own("done", linear=0.5)
    )
    found = cell(table, "W-MSE 2", "CIFAR-10")
    assert (found.n, names(found.partial)) == (1, ["going", "stopped"])
    assert found.best_linear == Best("done", "/runs/done", 0.5)


def test_the_next_seed_is_one_that_no_run_of_the_recipe_used() -> None:
    assert cell(with_runs(), "W-MSE 2", "CIFAR-10").next_seed == 0
    runs = (
        own("a"),
        own("b", "seed=1", state="stopped"),
        own("c", "seed=2", "schedule.epochs=9", "schedule.milestones=[]"),
    )
    assert cell(with_runs(*runs), "W-MSE 2", "CIFAR-10").next_seed == 2


def test_another_kind_of_knn_is_not_the_published_one() -> None:
    found = cell(
        with_runs(own("a", "evaluation.knn=cosine"), own("b", "evaluation.neighbours=200")),
        "W-MSE 2",
        "CIFAR-10",
    )
    assert found.n == 2
    assert found.best_knn is None
    assert found.best_linear == Best("a", "/runs/a", 0.9)


def test_a_run_whose_configuration_cannot_be_read_belongs_nowhere() -> None:
    broken = OwnRun(RunRow(run_id="x", path="/x", status="completed", final_linear=0.9, final_knn=0.9), None)
    assert with_runs(broken) == with_runs()


def test_another_backbone_gets_a_row_of_its_own() -> None:
    def recipe(*overrides: str) -> Recipe:
        return Recipe(
            "-".join(overrides),
            load_experiment(preset="cifar10", overrides=(*overrides, "paper={linear: 1, source: x}")),
        )

    table = published_table(
        (recipe(), recipe("backbone.arch=resnet50"), recipe("method.name=simclr", "augmentation.views=4")), ()
    )
    assert table.rows == ("W-MSE 2", "SimCLR 4", "W-MSE 2, resnet50")
    assert isinstance(cell(table, "SimCLR 4", "CIFAR-10").experiment, Experiment)
