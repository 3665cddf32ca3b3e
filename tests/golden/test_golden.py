"""Runs of every released format stay readable: listed, shown, compared, exported, evaluated, resumed.

`scripts/golden` makes the directories of a new format; those that are there are never made again.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from events import activity_of
from typer.testing import CliRunner

from wmse_tui.engine.evaluation.checkpoint_evaluation import EvaluationRequest, evaluate_checkpoint
from wmse_tui.engine.evaluation.interruption import no_progress
from wmse_tui.engine.training.checkpoints import verify_checkpoint
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.deferred_signals import STOP_SIGNALS
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.state.embedding import read_embedding
from wmse_tui.runs.state.to_json import state_to_json
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.table.index import run_row
from wmse_tui.runs.table.paper import load_own_runs

HERE = Path(__file__).parent
FORMATS = sorted(folder.name for folder in HERE.iterdir() if (folder / "completed.json").exists())
EMPTY = ("control", "checkpoints", "evaluations", "artifacts")  # git keeps no empty folders


@pytest.fixture(params=FORMATS)
def golden(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder with the directories of one format."""
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "runs"
    shutil.copytree(HERE / request.param, root)
    for run in ("completed", "interrupted"):
        for folder in EMPTY:
            (root / run / folder).mkdir(exist_ok=True)
    return root


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGHUP)}
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    torch.use_deterministic_algorithms(deterministic)


def cli(*arguments: str) -> str:
    from wmse_tui.cli.main import app

    result = CliRunner().invoke(app, list(arguments), prog_name="wmse-tui")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_format_that_was_written_is_here() -> None:
    from wmse_tui.engine.training.checkpoints import FORMAT
    from wmse_tui.runs.log.events import VERSION

    assert FORMATS == ["v1"], "a new format needs its golden directories: scripts/golden"
    assert (VERSION, FORMAT) == (1, 1), "a new version of log or checkpoint is a new format"


def test_they_are_listed_and_fold_to_what_they_were(golden: Path) -> None:
    runs = {run.id: run for run in list_runs(golden)}
    assert set(runs) == {"completed", "interrupted"}
    for name, run in runs.items():
        told: dict[str, Any] = json.loads((golden / f"{name}.json").read_text())
        now = state_to_json(view_run(run))
        assert {field: now[field] for field in told} == told
        short = run_row(view_run(run))
        assert (short.status, short.step, short.loss) == (told["state"], told["step"], told["loss"])
        assert view_run(run).checkpoints[-1].step == told["step"]
        assert len(activity_of(run)) > 5
    own = load_own_runs((run_row(view_run(run)) for run in runs.values()), {})
    assert [run.experiment.seed if run.experiment else None for run in own] == [7, 7]


def test_every_file_of_theirs_is_understood(golden: Path) -> None:
    run = RunDirectory(golden / "completed")
    assert read_configuration(run).problem == ""
    assert len(read_embedding(run.artifacts / "embedding.npz").points) == 40
    for name in ("final", "best", "step-00000012"):
        verify_checkpoint(run.checkpoints / f"{name}.pt")


def test_commands_show_compare_and_export_them(golden: Path) -> None:
    where = ("--runs-dir", str(golden))
    told = cli("show", "completed", *where)
    assert "step 12/12" in told
    assert "step-00000012.pt (final, best)" in told
    listed = {row["run_id"]: row["state"] for row in json.loads(cli("runs", "--json", *where))}
    assert listed == {"completed": "completed", "interrupted": "stopped"}
    assert cli("tag", "completed", *where).split() == ["kept", "for", "ever"]
    for kind in ("json", "csv", "markdown", "latex", "table"):
        text = cli("compare", "completed", "interrupted", "--format", kind, *where)
        assert "completed" in text
        if kind == "csv":
            assert len(list(csv.reader(io.StringIO(text)))) >= 3


def test_their_checkpoints_can_be_evaluated(golden: Path) -> None:
    result = evaluate_checkpoint(EvaluationRequest(golden / "completed", device="cpu"), progress=no_progress)
    folder = golden / "completed" / "evaluations"
    stored = min((json.loads(file.read_text()) for file in folder.iterdir()), key=lambda told: told["time"])
    for field in ("run", "checkpoint", "step", "sha256", "train_split", "test_split"):
        assert result[field] == stored[field]
    assert 0 <= result["knn"]["top1"] <= 1


def test_the_interrupted_one_goes_on_to_its_end(golden: Path) -> None:
    run = RunDirectory(golden / "interrupted")
    before = view_run(run)
    text = run.config.read_text()
    run.config.write_text(text.replace("epochs: 40", "epochs: 7"))  # a shorter way to its end
    assert run.config.read_text() != text
    assert run_session(run.path) == 0
    after = view_run(run)
    assert (after.status, after.attempt, after.step) == ("completed", 3, 42)
    assert after.setup is not None
    assert after.setup.resume_step == before.step
    assert after.loss.values()[: before.step] == before.loss.values()
    assert all(loss is not None for loss in after.loss.values())


def test_they_can_be_removed(golden: Path) -> None:
    for run in list_runs(golden):
        remove_run(run)
    assert list_runs(golden) == ()
