"""The published table as cells: one line without own runs, then best, difference and progress."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.presence import Presence
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.paper import OwnRun, published_table, shipped_recipes
from wmse_tui.tui.widgets.paper.sheet import paper_sheet

RECIPES = shipped_recipes()


def run(
    seed: int, linear: float = 0.9, *, status: Status = "completed", preset: str = "cifar10", knn: int = 5
) -> OwnRun:
    row = RunRow(
        run_id=f"r{seed}",
        path=f"/r{seed}",
        status=status,
        final_linear=linear,
        final_knn=0.8,
        epoch=312,
        epochs=1000,
    )
    overrides = (f"seed={seed}", f"evaluation.neighbours={knn}")
    return OwnRun(row, load_experiment(preset=preset, overrides=overrides))


def first_cell(*runs: OwnRun) -> list[tuple[str, object]]:
    """The lines of the first cell with their styles."""
    sheet = paper_sheet(published_table(RECIPES, runs), {})
    return [(line.text, line.style) for line in sheet.rows[0][1].lines]


def test_a_cell_has_one_line_until_there_are_own_runs() -> None:
    sheet = paper_sheet(published_table(RECIPES, ()), {})
    assert {len(cell.lines) for row in sheet.rows for cell in row} == {1}
    assert first_cell() == [("91.55 / 89.69", None)]


def test_own_runs_have_their_best_their_difference_with_sign_and_spread_and_their_progress() -> None:
    assert first_cell(run(0)) == [
        ("91.55 / 89.69", None),
        ("90.00 / 80.00 n=1", "good"),
        ("-1.5 / -9.7", None),
    ]
    assert first_cell(run(0, 0.93), run(1, 0.92), run(2, status="running"))[1:] == [
        ("93.00 / 80.00 n=2", "good"),
        ("+1.0±0.7 / -9.7±0.0", None),
        ("running 312/1000", "info"),
    ]
    assert first_cell(run(0, knn=20))[2] == ("-1.5 / -", None)
    assert first_cell(run(0, status="stopped"), run(1, status="failed"))[1:] == [("2 unfinished", "muted")]
    assert first_cell(run(0, status="paused"), run(1, status="failed"))[1:] == [("paused 312/1000", "info")]


def test_a_recipe_without_a_published_number_shows_no_difference() -> None:
    sheet = paper_sheet(published_table(RECIPES, (run(0, preset="imagenet100"),)), {})
    assert [line.text for line in sheet.rows[0][-1].lines] == ["unverified", "90.00 / 80.00 n=1"]


def test_the_heading_marks_where_the_images_are() -> None:
    presence = {
        "CIFAR-10": Presence("here", Path("/data")),
        "CIFAR-100": Presence("archive", Path("/data")),
        "STL-10": Presence("download", Path("/data")),
        "ImageNet-100": Presence("missing", Path("/data")),
    }
    headings = [cell.text for cell in paper_sheet(published_table(RECIPES, ()), presence).heading]
    assert headings == ["", "CIFAR-10 ✓", "CIFAR-100 ✓", "STL-10 ↓", "Tiny ImageNet", "ImageNet-100 !"]
