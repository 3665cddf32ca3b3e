"""Own runs for the published table: from the list of runs and their configurations, each read once."""

from __future__ import annotations

import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config import Configuration
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.paper import load_own_runs


@pytest.fixture
def run(run: RunDirectory) -> RunDirectory:
    """The run with a whole configuration."""
    run.config.write_text(dump_experiment(load_experiment(preset="quickstart", overrides=("seed=7",))))
    return run


def row(run: RunDirectory) -> RunRow:
    return RunRow(
        run_id=run.id,
        path=str(run.path),
        status="completed",
        final_knn=0.5,
        final_linear=0.75,
        best_knn=0.9,
        epoch=3,
        host="gpu-a",
    )


def test_a_run_is_its_row_with_its_experiment(run: RunDirectory) -> None:
    (own,) = load_own_runs([row(run)], {})
    assert own.row == row(run)
    assert own.experiment is not None
    assert own.experiment.seed == 7


def test_a_configuration_is_read_once(run: RunDirectory) -> None:
    known: dict[str, Configuration] = {}
    load_own_runs([row(run)], known)
    run.config.unlink()
    assert load_own_runs([row(run)], known)[0].experiment is not None


def test_a_run_whose_configuration_cannot_be_read_has_no_experiment(run: RunDirectory) -> None:
    run.config.write_text("seed: [")
    assert load_own_runs([row(run)], {})[0].experiment is None
