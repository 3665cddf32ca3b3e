"""The details of a cell of the published table."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.presence import Presence
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.paper import OwnRun, PaperCell, published_table, shipped_recipes
from wmse_tui.tui.widgets.paper.details import details, images_text

RECIPES = shipped_recipes()
PLACE = ("W-MSE 2", "CIFAR-10")


def run(name: str, *overrides: str, linear: float | None = 0.9, state: Status = "completed") -> OwnRun:
    knn = None if linear is None else 0.8
    row = RunRow(run_id=name, path=f"/{name}", status=state, final_linear=linear, final_knn=knn)
    return OwnRun(row, load_experiment(preset="cifar10", overrides=overrides))


def cell(*runs: OwnRun) -> PaperCell:
    found = published_table(RECIPES, runs).cells[0][0]
    assert found is not None
    return found


def lines(*runs: OwnRun, width: int = 100) -> list[str]:
    return str(details(PLACE, cell(*runs), width)).splitlines()


def test_without_runs_it_is_the_publication_and_the_recipe() -> None:
    assert lines() == [
        "W-MSE 2 on CIFAR-10, ResNet-18",
        "published  91.55 % linear, 89.69 % 5-NN",
        "           Ermolov et al. 2021, Table 1, as reprinted in the README of the ACT repository",
        "recipe     wmse-tui run --preset cifar10",
        "           1000 epochs of 97 steps; 512 images of 2 views a step",
        "completed  no run of this recipe yet",
    ]


def test_own_runs_are_listed_with_best_mean_and_variants() -> None:
    shown = lines(
        run("a", linear=0.91),
        run("b", "seed=1", linear=0.92),
        run("c", "seed=2", state="running"),
        run("d", "schedule.epochs=100", "optimizer.lr=1e-3"),
    )
    assert shown[5:] == [
        "own best   92.00 % linear (b), 80.00 % 5-NN (a)",
        "own mean   91.50 ± 0.71 % linear, 80.00 ± 0.00 % 5-NN (n = 2)",
        "difference -0.05 ± 0.71 points linear, -9.69 ± 0.00 points 5-NN from the published, on average",
        "completed  a, b",
        "unfinished c (running, epoch 0 of ?)",
        "variant    d, not counted: other optimizer.lr, schedule.epochs",
    ]


def test_a_run_that_was_never_evaluated_as_published_is_not_best() -> None:
    assert "own best   not evaluated as published" in lines(run("a", linear=None))


def test_many_runs_are_named_in_part() -> None:
    shown = lines(*(run(f"r{n}", f"seed={n}") for n in range(9)))
    assert "completed  r0, r1, r2, r3, r4, r5 and 3 more" in shown


def test_long_lines_are_wrapped_and_aligned() -> None:
    shown = lines(width=50)
    assert shown[2:4] == [
        "           Ermolov et al. 2021, Table 1, as",
        "           reprinted in the README of the ACT",
    ]
    assert max(map(len, shown)) <= 50


def test_text_from_files_is_made_harmless() -> None:
    shown = "\n".join(lines(run("[/red]\x1b[31m\u202e")))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[/red]\\x1b[31m" in shown


def test_a_cell_without_a_recipe_is_reported() -> None:
    assert str(details(("BYOL", "ImageNet-100"), None)) == "There is no recipe for BYOL on ImageNet-100."
    assert str(details(("", ""), None)) == "The table is being read."


def test_the_images_of_a_recipe_are_here_or_what_is_needed_for_them() -> None:
    dataset = cell().experiment.dataset
    shown = {
        presence.state: str(details(PLACE, cell(), 100, presence)).splitlines()[5]
        for presence in (
            Presence("here", Path("/data/cifar10")),
            Presence("archive", Path("/data/cifar-10.tar.gz")),
            Presence("download", Path("/data/cifar10"), download=170_498_071),
            Presence("missing", Path("/data"), (Path("/data/cifar10"),)),
        )
    }
    assert shown == {
        "here": "images     CIFAR-10 is on this machine",
        "archive": "images     CIFAR-10 is here and will be unpacked",
        "download": "images     a download of 170 MB, and as much again unpacked",
        "missing": "images     CIFAR-10 is not on this machine (/data/cifar10)",
    }
    assert images_text(dataset.model_copy(update={"name": "patterns"}), Presence("drawn")) == (
        "drawn when needed"
    )
