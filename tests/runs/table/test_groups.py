"""Runs in groups: who belongs together, what is averaged, and how often a copy counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.table.groups import grouped
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.options_cache import OptionsCache
from wmse_tui.runs.table.run_columns import NAMED, RunColumn, column_names, run_column, sorted_by

MakeRow = Callable[..., RunRow]


def column(name: str) -> RunColumn:
    found = run_column(name)
    assert found is not None
    return found


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., RunDirectory]:
    def make(name: str, *overrides: str) -> RunDirectory:
        experiment = load_experiment(preset="quickstart", overrides=overrides)
        return create_run(tmp_path, dump_experiment(experiment), name=name)

    return make


def test_a_group_by_tag_or_sweep_has_the_mean_of_its_distinct_completed_runs(row: MakeRow) -> None:
    rows = [
        row("a", tags=("x", "sweep-1"), final_knn=0.7, origin="one", seed=0),
        row("b", tags=("x",), final_knn=0.9, origin="two", seed=1),
        row("copy-of-b", tags=("x",), final_knn=0.9, origin="two", seed=1),
        row("c", tags=("x",), final_knn=0.1, status="running", seed=2),
        row("d", tags=("sweep-1",), final_knn=None),
        row("e"),
    ]
    options = OptionsCache()
    (group, sweep), alone = grouped(rows, "tag", options)
    assert (group.title, [one.run_id for one in group.rows]) == ("x", ["a", "b", "copy-of-b", "c"])
    assert [one.run_id for one in alone] == ["e"]
    assert group.text(NAMED["knn"], options) == "80.00 ± 14.14 %"
    assert (len(group.completed), group.copies, group.progress()) == (2, 1, "3 of 4, 1 on")
    assert group.text(NAMED["seed"], options) == "0, 1, 2"
    assert group.text(NAMED["bestlinear"], options) == ""
    assert sweep.text(NAMED["knn"], options) == "70.00 %"
    ((only,), others) = grouped(rows, "sweep", options)
    assert (only.title, len(only.rows), len(others)) == ("sweep-1", 2, 4)
    assert grouped(rows, "", options) == ((), tuple(rows))


def test_runs_that_differ_in_the_seed_alone_are_a_group_named_by_what_sets_it_apart(
    row: MakeRow, made: Callable[..., RunDirectory]
) -> None:
    runs = [
        made("a", "seed=1", "title=one"),
        made("b", "seed=2"),
        made("c", "optimizer.lr=0.5"),
        made("d", "optimizer.lr=0.5", "seed=7"),
        made("e", "method={name: byol}"),
    ]
    rows = [row(run.id, path=str(run.path)) for run in runs]
    options = OptionsCache()
    assert grouped(rows, "seed", options) == ((), tuple(rows)), "the options are not read"
    options.read(rows)
    groups, alone = grouped(rows, "seed", options)
    assert [[one.run_id for one in group.rows] for group in groups] == [["a", "b"], ["c", "d"]]
    assert [group.title for group in groups] == ["cifar10, lr 0.003", "cifar10, lr 0.5"]
    assert [one.run_id for one in alone] == ["e"]


def test_every_option_and_result_is_a_column(row: MakeRow, made: Callable[..., RunDirectory]) -> None:
    runs = [made("a", "seed=1"), made("b", "schedule.batch_size=64"), made("c", "method={name: byol}")]
    runs[2].config.write_text("[")
    rows = [row(run.id, path=str(run.path), results=(("effective_rank", 9.25),)) for run in runs]
    options = OptionsCache()
    batch = column("schedule.batch_size")
    assert [batch.text(one, options.of(one)) for one in rows] == ["", "", ""], "not read yet"
    options.read_for((batch,), rows)
    assert [batch.text(one, options.of(one)) for one in rows] == ["256", "64", "?"]
    ordered = sorted_by(batch, rows, options.of, falling=False)
    assert [one.run_id for one in ordered] == ["b", "a", "c"]
    assert column("effective_rank").text(rows[0], None) == "9.25"
    assert column("optimizer.lr").title == "optimizer.lr"
    for name in column_names():
        shown = column(name)
        for one in rows:
            shown.text(one, options.of(one))
        sorted_by(shown, rows, options.of, falling=True)
    assert run_column("schedule.batchsize") is None
