"""Runs with whitening layers, and runs that collapse: trained, evaluated again, judged for what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from events import read_log

from wmse_tui.engine.evaluation.checkpoint_evaluation import evaluation_command
from wmse_tui.engine.training.checkpoints import read_checkpoint
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Diagnostics, Evaluation
from wmse_tui.runs.state.verdict import judge
from wmse_tui.runs.state.watch import view_run

MakeRun = Callable[..., RunDirectory]
WHITENED = (
    "backbone.whitening=zca",
    "backbone.whitening_groups=16",
    "backbone.whitening_momentum=0.5",
    "evaluation.batch_size=200",
)


def events_of(run: RunDirectory, kind: type[Any]) -> list[Any]:
    return [record.event for record in read_log(run.events) if isinstance(record.event, kind)]


def test_a_whitened_encoder_is_evaluated_by_what_its_checkpoint_holds(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run("schedule.epochs=1", "method.name=byol", "method.predictor_hidden=16", *WHITENED)
    assert run_session(run.path) == 0
    before, after = events_of(run, Evaluation)
    assert evaluation_command([str(run.path), "--linear", "off", "--device", "cpu"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])["result"]
    assert last["knn"]["top1"] == after.knn.top1
    assert before.knn is not None

    state = read_checkpoint(run.checkpoints / "final.pt")["method"]
    assert int(state["encoder.fc.num_batches_tracked"]) == 2 * 6  # two views in each of six steps
    assert int(state["target_encoder.fc.num_batches_tracked"]) == 2 * 6
    online, target = state["encoder.fc.running_matrix"], state["target_encoder.fc.running_matrix"]
    assert not torch.equal(online, target)

    untrained, *trained = [event for event in events_of(run, Diagnostics) if event.space == "encoder"]
    for event in (untrained, *trained):
        assert event.whiteness_error is not None, "what running statistics leave is reported"
        assert dict(event.nulls)["whiteness_error"] > 0
    in_training = next(event for event in events_of(run, Diagnostics) if event.space == "features")
    assert in_training.whiteness_error < untrained.whiteness_error * 10


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (("method.operator=none", "optimizer.lr=1e-2"), {"collapsed"}),
        ((), {"healthy", "unknown"}),
    ],
    ids=["planted", "healthy"],
)
def test_a_planted_collapse_is_called_one_and_a_run_that_is_well_is_not(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...], names: set[str]
) -> None:
    run = make_run(
        "projector.dim=8",
        "method.whitening_size=16",
        "schedule.epochs=6",
        "evaluation.knn=off",
        "evaluation.map=off",
        *overrides,
    )
    monkeypatch.setattr("wmse_tui.engine.training.time_budget.TimeBudget.due", lambda self: True)
    assert run_session(run.path) == 0
    view = view_run(run)
    assert judge(view).name in names, judge(view)
    assert view.latest("features") is not None
