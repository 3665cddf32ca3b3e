"""The evaluator process: finds a checkpoint, evaluates it, saves the result, reports failures as JSON."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.evaluation import evaluate
from wmse_tui.engine.evaluation.checkpoint_evaluation import evaluation_command as command
from wmse_tui.engine.evaluation.interruption import no_progress
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.training.checkpoints import name_checkpoint, save_checkpoint
from wmse_tui.runs.directory import RunDirectory, create_run

EXPERIMENT = Experiment.model_validate(
    {
        "dataset": {"name": "patterns", "crop": 16, "train_images": 60, "test_images": 30},
        "backbone": {"arch": "cifar_resnet8"},
        "projector": {"hidden": 16, "dim": 8},
        "method": {"name": "w_mse", "whitening_size": 16},
        "schedule": {"kind": "step", "epochs": 60, "batch_size": 32},
        "evaluation": {"linear_epochs": 5, "linear_at": "end"},
        "compute": {"device": "cpu"},
    }
)


def saved_state(epoch: int, step: int) -> dict[str, Any]:
    return {
        "position": {"epoch": epoch, "step": step},
        "method": build_method(EXPERIMENT).state_dict(),
        "optimizer": {},
        "best": None,
    }


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with checkpoints of two steps, the first one the best."""
    run = create_run(tmp_path, dump_experiment(EXPERIMENT), name="small")
    name_checkpoint(save_checkpoint(run.checkpoints, 3, saved_state(1, 3)), "best")
    save_checkpoint(run.checkpoints, 6, saved_state(2, 6))
    return run


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The error object of a call that fails and prints nothing else."""
    assert command(arguments) == 1
    (line,) = lines_of(capsys)
    assert set(line) == {"error"}
    error: dict[str, Any] = line["error"]
    assert set(error) == {"code", "title", "detail", "next"}
    return error


def test_a_checkpoint_is_evaluated_as_at_the_end_of_its_run(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command([str(run.path)]) == 0

    *progress, last = lines_of(capsys)
    assert all(set(line["progress"]) == {"name", "done", "total", "unit"} for line in progress)
    assert {"features", "knn", "linear"} <= {line["progress"]["name"] for line in progress}
    result = last["result"]
    data = load_data(EXPERIMENT, progress=no_progress)
    encoder = build_method(EXPERIMENT).encoder
    expected = evaluate(encoder, data, EXPERIMENT, torch.device("cpu"), epoch=1, step=3, final=True)
    assert expected is not None
    assert expected.knn is not None
    assert expected.linear is not None
    assert result["knn"] == {"top1": expected.knn.top1, "k": 5, "metric": "euclidean"}
    assert result["linear"] == {"top1": expected.linear.top1, "top5": expected.linear.top5, "solver": "adam"}
    assert (result["train_split"], result["test_split"]) == (expected.train_split, expected.test_split)
    assert (result["run"], result["checkpoint"], result["epoch"], result["step"]) == (
        "small",
        "best.pt",
        1,
        3,
    )
    assert result["device"].startswith("CPU")


def test_the_result_is_saved_in_the_run_for_its_owner_only(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert command([str(run.path), "--linear", "off"]) == 0

    results = [line["result"] for line in lines_of(capsys) if "result" in line]
    files = sorted(run.evaluations.iterdir())
    assert [str(path) for path in files] == [result.pop("file") for result in results]
    assert [json.loads(path.read_text()) for path in files] == results
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.parametrize(
    ("argument", "name", "step"), [("best", "best.pt", 3), ("last", "step-00000006.pt", 6)]
)
def test_a_checkpoint_is_chosen_by_its_name(
    run: RunDirectory, argument: str, name: str, step: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command([str(run.path), "--checkpoint", argument, "--linear", "off"]) == 0

    result = lines_of(capsys)[-1]["result"]
    assert (result["checkpoint"], result["step"]) == (name, step)


def test_the_run_of_a_checkpoint_file_is_found(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    assert command([str(run.checkpoints / "step-00000006.pt"), "--linear", "lbfgs", "--knn", "cosine"]) == 0

    result = lines_of(capsys)[-1]["result"]
    assert (result["run"], result["step"]) == ("small", 6)
    assert (result["knn"]["metric"], result["linear"]["solver"]) == ("cosine", "lbfgs")


def test_a_result_that_cannot_be_saved_is_printed_all_the_same(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    run.evaluations.rmdir()
    run.evaluations.write_text("in the way")

    assert command([str(run.path), "--linear", "off"]) == 0

    result = lines_of(capsys)[-1]["result"]
    assert "file" not in result
    assert result["unsaved"].startswith(f"{run.evaluations}: ")


def test_the_command_runs_as_a_process_and_prints_no_traceback(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "wmse_tui.engine.commands", "evaluate", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )

    assert ended.returncode == 1
    error = json.loads(ended.stdout)["error"]
    assert (error["code"], error["title"]) == ("E_CHECKPOINT", f"{tmp_path} is not a run")
    assert ended.stderr == ""


def test_what_does_not_exist_is_named(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = error_of([str(tmp_path / "nowhere.pt")], capsys)
    unnamed = error_of([str(run.path), "--checkpoint", "final"], capsys)
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    (tmp_path / "empty" / "config.yaml").write_text("")
    none = error_of([str(tmp_path / "empty")], capsys)

    assert missing["title"] == f"there is no {tmp_path / 'nowhere.pt'}"
    assert unnamed["title"] == "run small has no checkpoint 'final'"
    assert unnamed["detail"] == "in its checkpoints folder: best.pt, step-00000003.pt, step-00000006.pt"
    assert (none["title"], none["detail"]) == (
        "run empty has no checkpoint",
        "in its checkpoints folder: none",
    )


def test_a_checkpoint_without_its_run_is_refused(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = tmp_path / "lost" / "x" / "final.pt"
    lost.parent.mkdir(parents=True)
    lost.write_bytes((run.checkpoints / "best.pt").read_bytes())

    error = error_of([str(lost)], capsys)

    assert error["title"] == f"{lost} belongs to no run"
    assert str(tmp_path / "lost" / "config.yaml") in error["detail"]


def test_a_damaged_checkpoint_is_refused(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.checkpoints / "step-00000006.pt"
    path.write_bytes(path.read_bytes()[:-1])

    error = error_of([str(path)], capsys)

    assert (error["code"], error["title"]) == ("E_CHECKPOINT", f"{path} is damaged")
    assert error["next"][0].startswith("measure another one: wmse-tui eval FILE")  # no fallback


def test_a_missing_device_is_reported_with_the_options_of_this_command(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    error = error_of([str(run.path), "--device", "cuda"], capsys)

    assert error["code"] == "E_DEVICE"
    assert error["next"][-1] == "--device cpu"


def test_a_checkpoint_of_another_network_is_refused(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    state = saved_state(3, 9)
    state["method"]["projector.surprise"] = torch.zeros(1)
    path = save_checkpoint(run.checkpoints, 9, state).path

    error = error_of([str(path)], capsys)

    assert error["title"] == f"{path} does not fit the run's configuration"
    assert "projector.surprise" in error["detail"]


def test_a_configuration_that_cannot_be_used_is_reported(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    run.config.chmod(0o600)
    run.config.write_text(run.config.read_text().replace("whitening_size: 16", "whitening_size: 8"))

    error = error_of([str(run.path)], capsys)

    assert error["code"] == "E_CONFIG"
    assert "method.whitening_size" in error["detail"]


def test_an_evaluation_without_any_probe_is_refused(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command([str(run.path), "--knn", "off", "--linear", "off"]) == 1

    error = lines_of(capsys)[-1]["error"]
    assert (error["code"], error["title"]) == ("E_DATA", "nothing can be measured")


@pytest.mark.parametrize(
    ("arguments", "title", "detail"),
    [
        ([], "invalid command line", "the following arguments are required: RUN|CHECKPOINT"),
        (["RUN", "--linear", "sgd"], "invalid command line", "invalid choice: 'sgd'"),
        (["RUN", "--device", "tpu"], "there is no device 'tpu'", "it is auto, cpu, cuda or cuda:N"),
    ],
)
def test_an_invalid_command_line_is_refused(
    arguments: list[str], title: str, detail: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = error_of(arguments, capsys)

    assert (error["code"], error["title"]) == ("E_USAGE", title)
    assert detail in error["detail"]


def test_a_checkpoint_file_with_a_checkpoint_option_is_refused(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    error = error_of([str(run.checkpoints / "best.pt"), "--checkpoint", "last"], capsys)

    assert error["title"] == "--checkpoint chooses among the checkpoints of a run"


def test_an_unforeseen_failure_is_one_object_and_its_traceback_stays_on_stderr(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        print("a library that prints")
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("wmse_tui.engine.evaluation.checkpoint_evaluation.load_data", broken)

    assert command([str(run.path)]) == 1

    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert (error["title"], error["detail"]) == ("the evaluation failed: ZeroDivisionError", "by nothing")
    assert "a library that prints" in captured.err
    assert "Traceback" in captured.err
