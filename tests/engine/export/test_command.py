"""The export of an encoder or its features: what is written, what is refused, and nothing half is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from events import attempt, evaluation

from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.evaluation.interruption import no_progress
from wmse_tui.engine.evaluation.probes import features_of
from wmse_tui.engine.export.command import export_command
from wmse_tui.engine.methods import build_method, move_to_device
from wmse_tui.engine.training.checkpoints import name_checkpoint, save_checkpoint
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.export_formats import EXPORT_FORMATS, FormatName
from wmse_tui.runs.log.writer import EventWriter

EXPERIMENT = Experiment.model_validate(
    {
        "dataset": {"name": "patterns", "crop": 16, "train_images": 60, "test_images": 30},
        "backbone": {"arch": "cifar_resnet8"},
        "projector": {"hidden": 16, "dim": 8},
        "method": {"name": "w_mse", "whitening_size": 16},
        "schedule": {"kind": "step", "epochs": 60, "batch_size": 32},
        "compute": {"device": "cpu"},
    }
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run with a checkpoint that was evaluated; the current folder is empty."""
    run = create_run(tmp_path / "runs", dump_experiment(EXPERIMENT), name="small")
    state = {"position": {"epoch": 1, "step": 3}, "method": build_method(EXPERIMENT).state_dict()}
    name_checkpoint(save_checkpoint(run.checkpoints, 3, state), "final")
    with EventWriter(run.events) as log:
        log.begin_attempt()
        for event in (attempt(), evaluation(1, 3, 0.5, 0.625)):
            log.write(event)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return run


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return line


def result_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    status = export_command(arguments)
    line = last_line(capsys)
    assert status == 0, line
    result: dict[str, Any] = line["result"]
    return result


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert export_command(arguments) == 1
    error: dict[str, Any] = last_line(capsys)["error"]
    return error


def test_the_file_and_its_facts_are_in_the_current_folder(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    result = result_of([str(run.path), "--format", "safetensors"], capsys)
    assert sorted(path.name for path in Path.cwd().iterdir()) == [
        "small-final.safetensors",
        "small-final.safetensors.json",
    ]
    facts = json.loads(Path("small-final.safetensors.json").read_text())
    assert result == {**facts, "file": str(Path("small-final.safetensors").absolute())}
    assert facts["recipe"][-1] == "    features = model((images - mean) / std)"
    assert (facts["step"], facts["layout"], facts["dim"], facts["size"]) == (3, "wmse_tui", 64, 16)
    assert facts["accuracies"]["linear"]["top1"] == 0.625
    assert facts["sha256"] == (run.checkpoints / "final.pt.sha256").read_text().split()[0]


def test_what_is_there_is_replaced_only_when_forced(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(run.path), "--format", "torch-export", "--output", "x.pt2"]
    for existing in ("x.pt2", "x.pt2.json"):
        Path(existing).write_text("mine")
        error = error_of(arguments, capsys)
        assert error["code"] == "E_OUTPUT_EXISTS"
        assert existing in error["detail"]
        assert [path.read_text() for path in Path.cwd().iterdir()] == ["mine"]
        Path(existing).unlink()
    Path("x.pt2").write_text("mine")
    result_of([*arguments, "--force"], capsys)
    assert torch.export.load("x.pt2").module()(torch.zeros(5, 3, 16, 16)).shape == (5, 64)


def test_a_folder_that_is_replaced_keeps_what_else_is_in_it(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = EXPERIMENT.model_dump(mode="json") | {"backbone": {"arch": "resnet18", "stem": "imagenet"}}
    other = create_run(
        tmp_path / "runs", dump_experiment(Experiment.model_validate(experiment)), name="large"
    )
    method = build_method(Experiment.model_validate(experiment))
    state = {"position": {"epoch": 1, "step": 3}, "method": method.state_dict()}
    save_checkpoint(other.checkpoints, 3, state)
    arguments = [str(other.path), "--format", "hf", "--output", "encoder"]
    result_of([*arguments, "--license", "cc-by-4.0"], capsys)
    names = {"README.md", "config.json", "model.safetensors", "wmse_tui.json"}
    assert {path.name for path in Path("encoder").iterdir()} == names
    assert "license: cc-by-4.0" in Path("encoder/README.md").read_text()
    assert error_of(arguments, capsys)["code"] == "E_OUTPUT_EXISTS"
    Path("encoder/notes.txt").write_text("mine")
    result_of([*arguments, "--force"], capsys)
    assert {path.name for path in Path("encoder").iterdir()} == names | {"notes.txt"}
    assert "license" not in Path("encoder/README.md").read_text()


@pytest.mark.parametrize("damage", ["weights", "unreadable"])
def test_a_file_that_does_not_give_the_features_is_not_left_behind(
    damage: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import safetensors.torch

    save = safetensors.torch.save

    def damaged(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
        if damage == "unreadable":
            return b"not safetensors"
        name = next(name for name in tensors if name.endswith("weight"))
        return save({**tensors, name: tensors[name] * 1.01}, metadata)

    monkeypatch.setattr(safetensors.torch, "save", damaged)
    error = error_of([str(run.path), "--format", "safetensors"], capsys)
    assert error["code"] == "E_EXPORT"
    assert ("does not give" if damage == "weights" else "cannot be loaded back") in error["title"]
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("name", [name for name, each in EXPORT_FORMATS.items() if each.extra])
def test_a_missing_package_is_reported_with_its_pip_line_before_anything_is_read(
    name: FormatName, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in EXPORT_FORMATS[name].packages:
        monkeypatch.setitem(sys.modules, package, None)
    error = error_of(["/nonexistent", "--format", name], capsys)
    assert error["next"] == [f"pip install 'wmse-tui[{EXPORT_FORMATS[name].extra}]'"]
    assert error["detail"] == ", ".join(EXPORT_FORMATS[name].packages)


@pytest.mark.parametrize("split", ["train", "test", "all"])
def test_the_features_are_those_of_the_evaluation(
    split: str, run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow.parquet as pq  # slow to import: not in every test process

    data = load_data(EXPERIMENT, progress=no_progress)
    encoder = move_to_device(build_method(EXPERIMENT).encoder, torch.device("cpu"))
    sets = [
        each
        for name, each in (("train", data.probe_train), ("test", data.probe_test))
        if split in (name, "all")
    ]
    wanted, labels = [], []
    for images in sets:
        assert images is not None
        x, y = features_of(encoder, images, data, EXPERIMENT, torch.device("cpu"), no_progress, lambda: False)
        assert y is not None
        wanted.append(x.numpy())
        labels.append(y.numpy())
    names = [images.split for images in sets if images is not None for _ in range(len(images))]

    result_of([str(run.path), "--format", "npz", "--split", split], capsys)
    with np.load("small-final.npz", allow_pickle=False) as table:
        np.testing.assert_array_equal(table["features"], np.concatenate(wanted))
        np.testing.assert_array_equal(table["labels"], np.concatenate(labels))
        assert table["split"].tolist() == names
        assert table["index"].tolist() == [i for each in wanted for i in range(len(each))]
        classes = table["classes"].tolist()
        assert json.loads(str(table["meta"]))["run"] == "small"

    result_of([str(run.path), "--format", "parquet", "--split", split], capsys)
    rows = pq.read_table("small-final.parquet").to_pydict()
    np.testing.assert_array_equal(np.array(rows["features"], np.float32), np.concatenate(wanted))
    assert rows["label"] == np.concatenate(labels).tolist()
    assert rows["class_name"] == [classes[label] for label in rows["label"]]
    assert rows["split"] == names


FRESH = """
import sys
sys.modules["wmse_tui"] = None  # as on a machine without it
import numpy as np, torch
images = {name: torch.from_numpy(np.load(f"{name}.npy")) for name in ("train", "test")}
def encode(images):
    exec(open("recipe.py").read(), names := {"images": images})
    return np.asarray(names["features"])
x, y = encode(images["train"]), np.load("train_labels.npy")
query, truth = encode(images["test"]), np.load("test_labels.npy")
distances = ((query[:, None, :].astype(np.float64) - x[None]) ** 2).sum(-1)
nearest = y[np.argsort(distances, axis=1)[:, :5]]
votes = np.stack([(nearest == label).sum(1) for label in range(10)], axis=1)
print((votes.argmax(1) == truth).mean())
"""


@pytest.mark.parametrize("name", ["torch-export", "onnx"])
def test_an_export_gives_the_same_accuracy_without_this_project(
    name: str, run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    from wmse_tui.engine.evaluation import evaluate

    data = load_data(EXPERIMENT, progress=no_progress)
    measured = evaluate(
        build_method(EXPERIMENT).encoder, data, EXPERIMENT, torch.device("cpu"), epoch=1, step=3, final=False
    )
    assert measured is not None
    assert measured.knn is not None
    facts = result_of([str(run.path), "--format", name], capsys)
    Path("recipe.py").write_text("\n".join(facts["recipe"]))
    for part, images in (("train", data.probe_train), ("test", data.probe_test)):
        assert images is not None
        assert images.pixels is not None
        assert images.labels is not None
        middle = images.pixels[:, :, 8:24, 8:24]  # as wide as the evaluation's crop
        np.save(f"{part}.npy", middle.float().div(255).numpy())
        np.save(f"{part}_labels.npy", images.labels.numpy())
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(measured.knn.top1, abs=1e-12)
