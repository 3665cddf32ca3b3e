"""`eval --transfer` in one process: a small run, the embedded set, and a folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from trained_runs import trained_run

from wmse_tui.config.schema import Experiment
from wmse_tui.config.transfer_sets import TRANSFER_SETS, TransferSet
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.evaluation import knn_accuracy
from wmse_tui.engine.evaluation.checkpoint_evaluation import evaluation_command as command
from wmse_tui.engine.evaluation.pixel_batches import Geometry
from wmse_tui.engine.evaluation.transfer_measures import SetFeatures, measure, transfer_geometry
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.transfer_results import TransferResult, read_transfer, transfer_from_json


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return trained_run(tmp_path / "runs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Class folders of images of several sizes."""
    draw = np.random.default_rng(0)
    for split, each in (("train", 8), ("test", 4)):
        for number, name in enumerate(("ant", "bee", "cat")):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for index in range(each):
                pixels = draw.integers(60 * number, 60 * number + 80, (20, 20 + index, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / split / name / f"{index}.png")
    return tmp_path / "images"


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The last line that the command prints."""
    command(list(arguments))
    last: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return last


def test_the_result_is_printed_saved_and_read_back(
    run: RunDirectory, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluate(capsys, str(run.path), "--transfer", f"{folder}")["result"]
    assert (result["run"], result["checkpoint"], result["epoch"], result["step"]) == (
        "small",
        "final.pt",
        1,
        3,
    )
    (found,) = transfer_from_json(result["transfer"])
    assert (found.set, found.title, found.metric, found.classes) == (str(folder), "images", "top1", 3)
    assert (found.train_split, found.test_split) == ("train (24)", "test (12)")
    assert (found.size, found.resize, found.cached, found.damaged) == (16, 16, False, 0)
    assert found.linear.score.value == found.linear.top1 == found.linear.mean_per_class  # equal classes
    assert found.linear.score.low < found.linear.score.value <= found.linear.score.high
    assert json.loads(Path(result.pop("file")).read_text()) == result
    (saved,) = read_transfer(run)
    assert (saved.result, saved.checkpoint, saved.time) == (found, "final.pt", result["time"])


def test_the_second_time_the_features_are_those_of_the_first(
    run: RunDirectory, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(capsys, str(run.path), "--transfer", str(folder))["result"]["transfer"][str(folder)]
    monkeypatch.setattr("wmse_tui.engine.evaluation.transfer_measures.extract_features", pytest.fail)
    again = evaluate(capsys, str(run.path), "--transfer", str(folder))["result"]["transfer"][str(folder)]
    assert (first.pop("cached"), again.pop("cached")) == (False, True)
    del first["seconds"], again["seconds"]
    assert again == first


def test_an_error_with_a_set_leaves_the_results_of_those_before_it(
    run: RunDirectory, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    error = evaluate(capsys, str(run.path), "--transfer", f"{folder},{tmp_path / 'empty'}")["error"]
    assert error["title"] == f"no images in {tmp_path / 'empty'}"
    (saved,) = run.evaluations.iterdir()
    assert not any("dataset.root" in step for step in error["next"])  # it names the run's own images
    assert error["next"][-1] == f"the sets before it are done: {saved}"
    assert [one.result.set for one in read_transfer(run)] == [str(folder)]


def test_a_set_that_may_not_be_fetched_is_named_with_the_folder_of_data(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path / "data"))
    options = ("--transfer", "dtd", "--set", "dataset.download=false")
    error = evaluate(capsys, str(run.path), *options)["error"]
    assert (error["code"], error["title"]) == ("E_DATA", f"DTD is not in {tmp_path / 'data' / 'dtd'}")
    assert error["next"][-1] == "or set WMSE_TUI_DATA to its folder"


def test_a_class_of_one_image_is_refused(
    run: RunDirectory, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((folder / "train" / "bee").iterdir())[1:]:
        path.unlink()
    error = evaluate(capsys, str(run.path), "--transfer", str(folder))["error"]
    assert error["title"] == f"{folder} has too few labelled images"
    assert "1 class of one image" in error["detail"]


def test_damaged_images_are_passed_over_and_counted(
    run: RunDirectory, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = folder / "train" / "bee" / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:90])
    error = evaluate(capsys, str(run.path), "--transfer", str(folder))["error"]
    assert str(damaged) in error["title"] + error["detail"]
    options = ("--set", "dataset.on_damaged=skip", "--set", "dataset.damaged_limit=1")
    result = evaluate(capsys, str(run.path), "--transfer", str(folder), *options)["result"]
    (found,) = transfer_from_json(result["transfer"])
    assert (found.damaged, found.train_split) == (1, "train (23)")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--transfer", "patterns", "--knn", "cosine"), "E_USAGE", "--knn and --linear choose the probes"),
        (("--transfer", "paterns"), "E_CONFIG", "did you mean patterns?"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str, text: str
) -> None:
    error = evaluate(capsys, str(run.path), *arguments)["error"]
    assert error["code"] == code
    assert text in error["title"] + error["detail"]


def test_images_are_as_large_as_in_the_runs_own_evaluation() -> None:
    def geometry(**options: int) -> Geometry:
        dataset = {"name": "imagenet", "root": "/x", **options}
        return transfer_geometry(Experiment.model_validate({"dataset": dataset}))

    assert geometry(crop=24) == Geometry(resize=24, crop=24)
    assert geometry(crop=24, eval_crop=32) == Geometry(resize=32, crop=32)
    assert geometry(crop=224, eval_resize=256) == Geometry(resize=256, crop=224)


def features(about: TransferSet = TRANSFER_SETS["patterns"]) -> SetFeatures:
    """Four classes that overlap, one of them rare in the test."""
    random = torch.Generator().manual_seed(5)
    y_train = torch.arange(80) % 4
    y_test = torch.tensor([0, 1, 2] * 30 + [3] * 5)
    centres = torch.randn(4, 5, generator=random)
    x_train, x_test = (centres[y] + 1.2 * torch.randn(len(y), 5, generator=random) for y in (y_train, y_test))
    none = MemoryImages(name="x", split="train", pixels=torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    sets = none, none, x_train, y_train, x_test, y_test, None
    return SetFeatures(about, *sets, "train", "test", cached=False, damaged=0)


def chosen(result: TransferResult) -> dict[str, Any]:
    """What a measurement chooses, as opposed to what it measures."""
    assert result.calibration is not None
    linear = result.linear
    return {"c": linear.c, "validation": linear.validation, "temperature": result.calibration.temperature}


def test_no_probe_sees_the_labels_of_the_test() -> None:
    """Labels that are shuffled, or planted, change the scores and nothing that is chosen."""
    true = features()
    shuffled = true.y_test[torch.randperm(len(true.y_test), generator=torch.Generator().manual_seed(1))]
    results = [measure(replace(true, y_test=y), Geometry(8, 8)) for y in (true.y_test, shuffled)]
    assert chosen(results[0]) == chosen(results[1])
    assert results[0].linear.score.value > results[1].linear.score.value + 0.2
    predicted = (true.x_test - true.x_test.mean(0))[:, 0] > 0  # labels that one feature gives away
    planted = measure(replace(true, y_test=predicted.long()), Geometry(8, 8))
    assert chosen(planted) == chosen(results[0])


def test_the_scores_are_those_of_the_functions() -> None:
    one = features()
    result = measure(one, Geometry(8, 8))
    arguments = (one.x_train, one.y_train, one.x_test, one.y_test)
    assert result.knn.score.value == knn_accuracy(*arguments, k=5)
    assert result.weighted_knn.score.value == knn_accuracy(*arguments, k=20, metric="cosine")
    assert [one.shots for one in result.few_shot] == [1, 5, 10]
    assert result.few_shot[0].score.value < result.few_shot[2].score.value


def test_the_metric_of_the_set_is_reported() -> None:
    about = TransferSet(name="x", title="X", per_class=True)
    share, mean = measure(features(), Geometry(8, 8)), measure(features(about), Geometry(8, 8))
    assert (share.metric, mean.metric) == ("top1", "mean_per_class")
    assert share.linear.score.value == share.linear.top1
    assert mean.linear.score.value == mean.linear.mean_per_class
    assert mean.linear.top1 != mean.linear.mean_per_class


def test_the_encoder_is_fine_tuned_on_request(
    run: RunDirectory, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--transfer", str(folder), "--fine-tune", "25,100", "--fine-tune-steps", "2")
    (found,) = transfer_from_json(evaluate(capsys, str(run.path), *options)["result"]["transfer"])
    assert [(one.share, one.images, one.steps) for one in found.fine_tuned] == [(0.25, 6, 2), (1.0, 24, 2)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--fine-tune", "10"), "--fine-tune needs images"),
        (("--transfer", "patterns", "--fine-tune", "0"), "'0' is no percentage of the labels"),
        (("--transfer", "patterns", "--fine-tune-steps", "5"), "--fine-tune-steps is the number of steps"),
        (("--transfer", "patterns", "--fine-tune", "1", "--fine-tune-steps", "0"), "1 or more"),
    ],
)
def test_fine_tuning_without_images_or_budget_is_refused(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str
) -> None:
    error = evaluate(capsys, str(run.path), *arguments)["error"]
    assert text in error["title"] + error["detail"]
