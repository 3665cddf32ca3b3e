"""The search for nearest neighbours: which images, whose classes, and what is saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.thumbnails import square
from wmse_tui.engine.evaluation.interruption import never, no_progress
from wmse_tui.engine.evaluation.neighbours import NEIGHBOURS, QUERIES, nearest_rows, neighbours_command
from wmse_tui.engine.evaluation.probes import features_of
from wmse_tui.engine.evaluation.trained_checkpoint import read_trained
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.training.checkpoints import save_checkpoint
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.state.neighbour_images import read_neighbours

CPU = torch.device("cpu")
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
def run(tmp_path: Path) -> RunDirectory:
    run = create_run(tmp_path, dump_experiment(EXPERIMENT), name="small")
    state = {
        "position": {"epoch": 2, "step": 6},
        "method": build_method(EXPERIMENT).state_dict(),
        "optimizer": {},
        "best": None,
    }
    save_checkpoint(run.checkpoints, 6, state)
    return run


def result_of(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = neighbours_command([str(run.path)])
    last: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == int("error" in last)
    return last


def test_the_images_and_classes_are_those_of_the_nearest_features(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    result = result_of(run, capsys)["result"]
    found = read_neighbours(run)
    assert found is not None
    assert json.loads(json.dumps(result)) == json.loads((run.artifacts / "neighbours.json").read_text())
    assert (found.epoch, found.step, found.checkpoint) == (2, 6, "step-00000006.pt")
    assert (found.images, found.of, found.metric) == (60, 60, "euclidean")
    assert [len(row) for row in found.classes] == [1 + NEIGHBOURS] * QUERIES
    # The same from the definition: all features, sorted by their distances.
    data = load_data(EXPERIMENT, progress=no_progress)
    assert data.probe_train is not None
    assert data.probe_test is not None
    encoder = read_trained(run, run.checkpoints / "step-00000006.pt", EXPERIMENT).method.encoder
    (train, train_labels), (test, _) = (
        features_of(encoder, images, data, EXPERIMENT, CPU, no_progress, never)
        for images in (data.probe_train, data.probe_test)
    )
    assert train_labels is not None
    with Image.open(run.artifacts / found.file) as opened:
        picture = torch.tensor(list(opened.convert("RGB").tobytes()), dtype=torch.uint8)
        picture = picture.reshape(opened.height, opened.width, 3).permute(2, 0, 1)
    tile = found.tile
    for row in range(3):
        shown = picture[:, row * tile : (row + 1) * tile]
        squares = [square(data.probe_test.image(index), tile) for index in range(len(test))]
        query = next(index for index, one in enumerate(squares) if torch.equal(one, shown[:, :, :tile]))
        order = (train - test[query]).double().norm(dim=1).argsort()[:NEIGHBOURS].tolist()
        names = [data.probe_train.classes[int(train_labels[index])] for index in order]
        assert list(found.classes[row][1:]) == names
        for place, index in enumerate(order, 1):
            expected = square(data.probe_train.image(index), tile)
            assert torch.equal(shown[:, :, place * tile : (place + 1) * tile], expected)


def test_by_cosine_lengths_do_not_matter() -> None:
    queries, candidates = torch.tensor([[1.0, 0.0]]), torch.tensor([[9.0, 0.5], [1.0, 1.0], [0.5, 0.4]])
    assert nearest_rows(queries, candidates, cosine=False).tolist() == [[2, 1, 0]]
    assert nearest_rows(queries, candidates, cosine=True).tolist() == [[0, 2, 1]]


def test_a_run_without_a_checkpoint_or_a_folder_to_save_to_is_an_error(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    run.artifacts.rmdir()
    assert result_of(run, capsys)["error"]["title"] == "the neighbours cannot be saved"
    for file in run.checkpoints.iterdir():
        file.unlink()
    assert "no checkpoint" in result_of(run, capsys)["error"]["title"]
