"""`eval` of a run whose images were moved, changed or damaged since it was trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from events import read_log
from PIL import Image

from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.evaluation.checkpoint_evaluation import evaluation_command
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.events import Error

Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for split, each in (("train", 16), ("test", 6)):
        for name in ("ant", "bee"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for index in range(each):
                side = 28 if (name, index) == ("ant", 0) else 20  # so that they stay in their files
                pixels = draw.integers(0, 256, (side, side, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / split / name / f"{index:02}.jpg")
    return tmp_path / "images"


@pytest.fixture
def run(images: Path, tmp_path: Path) -> RunDirectory:
    """A run that has completed."""
    experiment = Experiment.model_validate(
        {
            "dataset": {"name": "folder", "root": str(images), "crop": 16},
            "backbone": {"arch": "cifar_resnet8"},
            "projector": {"hidden": 16, "dim": 4},
            "method": {"name": "w_mse", "whitening_size": 8},
            "schedule": {"kind": "constant", "epochs": 1, "batch_size": 16, "warmup_steps": 0},
            "evaluation": {"linear": "off", "raw_pixels": False, "map": "off"},
            "compute": {"device": "cpu", "workers": 0},
        }
    )
    run = create_run(tmp_path / "runs", dump_experiment(experiment), name="r")
    assert run_session(run.path) == 0
    return run


@pytest.fixture
def evaluate(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Evaluates the run with some options; returns the line of the result, or of the error."""

    def call(*options: str) -> dict[str, Any]:
        capsys.readouterr()
        evaluation_command([str(run.path), *options])
        line: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return line

    return call


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def setting(step: str) -> tuple[str, str]:
    """The option that a next step names, as arguments."""
    return "--set", step.partition("--set ")[2].partition(" ")[0]


def test_moved_images_are_found_by_the_advice_of_the_error(evaluate: Evaluate, images: Path) -> None:
    moved = images.rename(images.with_name("elsewhere"))
    error = evaluate()["error"]
    assert error["title"] == f"no folder {images}"
    assert error["next"][-1] == (
        "if the images were moved: wmse-tui eval RUN --set dataset.root=/where/they/are"
    )
    flag, advised = setting(error["next"][-1])
    result = evaluate(flag, advised.replace("/where/they/are", str(moved)))["result"]
    assert (result["train_split"], result["test_split"]) == ("train (32)", "test (12)")


def test_the_configuration_of_the_run_stays(evaluate: Evaluate, run: RunDirectory, images: Path) -> None:
    before = run.config.read_bytes()
    moved = images.rename(images.with_name("elsewhere"))
    assert "result" in evaluate("--set", f"dataset.root={moved}", "--set", "compute.workers=1")
    assert run.config.read_bytes() == before


def test_what_changes_numbers_is_refused(evaluate: Evaluate) -> None:
    error = evaluate("--set", "dataset.crop=12")["error"]
    assert error["code"] == "E_CONFIG"
    assert "dataset.crop: is part of the run, whose numbers it changes" in error["detail"]


def test_other_images_are_refused_with_the_difference(evaluate: Evaluate, images: Path) -> None:
    changed = images / "test" / "bee" / "03.jpg"
    before = changed.read_bytes()
    Image.new("RGB", (20, 20), (7, 7, 7)).save(changed)
    error = evaluate()["error"]
    assert (error["code"], error["title"]) == ("E_CHECKPOINT", "the images are not those of the checkpoint")
    assert error["detail"] == (
        f"test (12): 1 of 12 sampled images have other contents, the first is {changed}"
    )
    assert error["next"] == ["restore the images as they were, then evaluate again"]
    changed.write_bytes(before)
    assert "result" in evaluate()


def test_a_damaged_image_is_passed_over_as_the_error_advises(evaluate: Evaluate, images: Path) -> None:
    damaged = [images / "test" / "bee" / "03.jpg", images / "train" / "ant" / "09.jpg"]
    whole = [path.read_bytes() for path in damaged]
    for path in damaged:
        damage(path)
    error = evaluate()["error"]
    assert error["title"] == "an image cannot be read"
    assert str(damaged[1]) in error["detail"]
    assert error["next"] == [
        f"put an intact copy in the place of {damaged[1]} and evaluate again",
        "or pass over such images: --set dataset.on_damaged=skip",
    ]
    too_many = evaluate(*setting(error["next"][1]))["error"]
    assert too_many["title"] == "too many images cannot be read"  # one of 12 in the test
    allowed = evaluate(*setting(error["next"][1]), *setting(too_many["next"][1]))["result"]
    assert allowed["damaged"] == 2
    assert (allowed["train_split"], allowed["test_split"]) == ("train (31)", "test (11)")
    for path, content in zip(damaged, whole, strict=True):
        path.write_bytes(content)
    assert evaluate()["result"]["damaged"] == 0


def test_an_image_that_the_run_named_may_have_been_removed(
    evaluate: Evaluate, run: RunDirectory, images: Path
) -> None:
    damaged = images / "train" / "ant" / "09.jpg"
    damage(damaged)
    text = run.config.read_text(encoding="utf-8")
    run.config.write_text(text.replace("epochs: 1\n", "epochs: 2\n"), encoding="utf-8")
    assert run_session(run.path) == 1
    assert [record.event.files for record in read_log(run.events) if isinstance(record.event, Error)] == [
        ("root/train/ant/09.jpg",)
    ]
    damaged.unlink()
    result = evaluate()["result"]
    assert (result["damaged"], result["train_split"]) == (1, "train (31)")


def test_labelled_folders_are_given_to_a_run_without_labels(
    tmp_path: Path, images: Path, run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice where nothing can be measured."""
    labelled = tmp_path / "labelled"
    (images / "train").rename(labelled)
    for path in [*images.rglob("*.jpg")]:
        path.rename(images / f"{path.parent.name}{path.name}")
    for path in labelled.rglob("*.jpg"):
        Image.open(path).save(images / f"x{path.parent.name}{path.name}")
    text = run.config.read_text(encoding="utf-8")
    unlabelled = create_run(tmp_path / "runs", text, name="unlabelled")
    assert run_session(unlabelled.path) == 0
    capsys.readouterr()
    evaluation_command([str(unlabelled.path)])
    error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert error["next"][0] == (
        "name labelled folders: --set dataset.probe_train=DIR --set dataset.probe_test=DIR"
    )
    arguments = error["next"][0].partition(": ")[2].replace("DIR", str(labelled)).split()
    evaluation_command([str(unlabelled.path), *arguments])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])["result"]
    assert result["test_split"].endswith("labelled (32)")
