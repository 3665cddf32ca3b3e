"""What an evaluation leaves beside accuracies: a spectrum in the log and a map in the folder."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.diagnostics.spectrum import covariance_spectrum
from wmse_tui.engine.errors import Diverged
from wmse_tui.engine.evaluation import embedding_map, evaluate, extract_features
from wmse_tui.engine.evaluation.embedding_map_writer import EmbeddingMapWriter
from wmse_tui.engine.evaluation.interruption import EvaluationInterrupted
from wmse_tui.runs.log.events import Artifact, Diagnostics, Event, Notice
from wmse_tui.runs.state.embedding import map_name, read_embedding, saved_map_steps

CPU = torch.device("cpu")
CLASSES = ("red", "green", "blue")


def images(split: str, count: int, seed: int, *, labelled: bool = True) -> MemoryImages:
    """Images of 8 px in the colour of their class, under noise."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    noise = torch.randint(90, (count, 3, 8, 8), generator=random)
    pixels = (torch.eye(3, dtype=torch.int64)[labels] * 150)[:, :, None, None] + noise
    return MemoryImages(
        name="colours",
        split=split,
        pixels=pixels.to(torch.uint8),
        labels=labels if labelled else None,
        classes=CLASSES if labelled else (),
    )


def data_of(*, probes: bool = True, labelled: bool = True) -> Data:
    train, test = images("train", 60, 1, labelled=labelled), images("test", 30, 2, labelled=labelled)
    return Data(
        train=train,
        probe_train=train if probes else None,
        probe_test=test if probes else None,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        notices=(),
    )


def experiment_of(**evaluation: Any) -> Experiment:
    return Experiment.model_validate(
        {"dataset": {"name": "patterns", "crop": 8}, "evaluation": {"linear": "off", **evaluation}}
    )


def encoder_of(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


class Studio:
    """A writer of maps with its folder and its events."""

    def __init__(self, folder: Path, data: Data | None = None, **evaluation: Any) -> None:
        self.data = data or data_of()
        self.experiment = experiment_of(**evaluation)
        self.file = folder / "embedding.npz"
        self.events: list[Event] = []
        self.writer = EmbeddingMapWriter(
            self.data, self.experiment, folder=lambda: folder, write=self.events.append
        )

    def sit(
        self, encoder: nn.Module | None = None, *, epoch: int = 1, step: int = 10, **options: Any
    ) -> None:
        encoder = encoder or encoder_of()
        evaluate(
            encoder,
            self.data,
            self.experiment,
            CPU,
            epoch=epoch,
            step=step,
            final=False,
            use_features=self.writer.use_features,
        )
        self.writer.write(encoder, CPU, epoch=epoch, step=step, **options)

    def written(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def map(self) -> dict[str, Any]:
        with np.load(self.file, allow_pickle=False) as arrays:
            return dict(arrays)


def features_of_all(encoder: nn.Module, data: Data) -> Tensor:
    assert data.probe_test is not None
    features, _ = extract_features(encoder, data.probe_test, mean=data.mean, std=data.std, crop=8)
    return features


@pytest.mark.parametrize("knn", ["euclidean", "off"])
def test_the_features_are_those_of_the_test_images_whether_a_probe_needed_them_or_not(
    tmp_path: Path, knn: str
) -> None:
    studio = Studio(tmp_path, knn=knn)
    studio.sit(epoch=4, step=77)
    (spectrum,) = studio.written(Diagnostics)
    expected = covariance_spectrum(features_of_all(encoder_of(), studio.data))
    assert expected is not None
    assert spectrum.spectrum == pytest.approx(expected.tolist(), rel=1e-3)
    assert (spectrum.space, spectrum.samples, spectrum.dim) == ("encoder", 30, 6)
    assert (spectrum.epoch, spectrum.step, spectrum.smallest_pivot) == (4, 77, None)


def test_the_map_is_published_with_labels_and_class_names(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.sit(epoch=4, step=77)
    arrays = studio.map()
    assert sorted(arrays["labels"].tolist()) == [0] * 10 + [1] * 10 + [2] * 10
    assert arrays["classes"].tolist() == list(CLASSES)
    assert (int(arrays["step"]), int(arrays["epoch"]), str(arrays["method"])) == (77, 4, "pca")
    (artifact,) = studio.written(Artifact)
    assert (artifact.kind, artifact.file, artifact.step, artifact.epoch) == (
        "embedding",
        "embedding.npz",
        77,
        4,
    )
    middles = np.stack([arrays["points"][arrays["labels"] == label].mean(0) for label in range(3)])
    assert np.linalg.norm(middles[0] - middles[1]) > 3 * arrays["points"][arrays["labels"] == 0].std()


def test_a_map_of_neighbourhoods_is_marked_as_one(tmp_path: Path) -> None:
    studio = Studio(tmp_path, map="tsne")
    studio.sit()
    assert str(studio.map()["method"]) == "tsne"
    with pytest.raises(EvaluationInterrupted):
        studio.sit(should_stop=lambda: True)


def test_without_a_map_the_spectrum_is_written_all_the_same(tmp_path: Path) -> None:
    studio = Studio(tmp_path, map="off")
    studio.sit()
    assert len(studio.written(Diagnostics)) == 1
    assert studio.written(Artifact) == []
    assert not studio.file.exists()


def test_each_map_is_turned_towards_the_one_before_also_by_a_later_attempt(tmp_path: Path) -> None:
    class Turned(nn.Module):
        def __init__(self, sign: float) -> None:
            super().__init__()
            self.inner, self.sign = encoder_of(), sign

        def forward(self, x: Tensor) -> Tensor:
            features: Tensor = self.sign * self.inner(x)
            return features

    studio = Studio(tmp_path)
    studio.sit(Turned(1))
    first = studio.map()["points"]
    studio.sit(Turned(-1), step=20)
    assert int(studio.map()["step"]) == 20
    np.testing.assert_allclose(studio.map()["points"], first, rtol=1e-3, atol=1e-4)
    np.savez(studio.file, **{**studio.map(), "points": -first})
    Studio(tmp_path).sit(Turned(1), step=30)
    np.testing.assert_allclose(studio.map()["points"], -first, rtol=1e-3, atol=1e-4)


def test_unlabelled_images_are_shown_without_a_class(tmp_path: Path) -> None:
    studio = Studio(tmp_path, data_of(probes=False, labelled=False))
    studio.sit(step=0)
    assert studio.events == []  # an untrained encoder's BatchNorm would have to see every image first
    studio.sit()
    arrays = studio.map()
    assert arrays["labels"].tolist() == [-1] * 60
    assert arrays["classes"].tolist() == []


def test_the_untrained_encoder_is_shown_where_a_probe_looks_at_it(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.sit(epoch=0, step=0)
    assert int(studio.map()["step"]) == 0


def test_a_disk_that_refuses_is_reported_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(embedding_map, "publish_file", refuse)
        studio.sit(step=1)
        studio.sit(step=2)
    (notice,) = studio.written(Notice)
    assert (notice.level, notice.code) == ("warning", "N_MAP_REFUSED")
    assert notice.text == "the embedding map of step 1 could not be saved: No space left on device"
    assert studio.written(Artifact) == []
    assert len(studio.written(Diagnostics)) == 2
    studio.sit(step=3)
    assert [event.step for event in studio.written(Artifact)] == [3]


def test_features_that_are_not_finite_are_reported_without_probes_too(tmp_path: Path) -> None:
    encoder = encoder_of()
    with torch.no_grad():
        next(encoder.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match="not finite"):
        Studio(tmp_path, knn="off").sit(encoder)


def test_saved_features_that_are_not_finite_are_reported(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.writer.use_features(torch.full((30, 4), torch.inf), torch.zeros(30, dtype=torch.int64))
    with pytest.raises(Diverged, match="not finite"):
        studio.writer.write(encoder_of(), CPU, epoch=1, step=10)
    assert studio.written(Diagnostics) == []


def test_modes_buffers_and_random_state_stay(tmp_path: Path) -> None:
    encoder = encoder_of().train()
    state = torch.get_rng_state()
    Studio(tmp_path, knn="off", map="tsne").sit(encoder)
    assert all(module.training for module in encoder.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_each_map_is_saved_beside_the_newest_and_of_many_some_evenly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wmse_tui.runs.state.embedding.MOST_MAPS", 4)
    studio = Studio(tmp_path)
    for step in range(0, 70, 10):
        studio.sit(step=step, epoch=step // 10)
        assert saved_map_steps(tmp_path)[-1] == step
    steps = saved_map_steps(tmp_path)
    assert (len(steps), steps[0]) == (4, 0)
    for step in steps:
        assert read_embedding(tmp_path / map_name(step)).step == step
    assert read_embedding(studio.file).step == 60
    assert len(list(tmp_path.iterdir())) == 5
