"""One evaluation: as configured, on the splits that are named, without a change of the encoder."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.errors import DataError, Diverged
from wmse_tui.engine.evaluation import evaluate as function
from wmse_tui.engine.evaluation.interruption import EvaluationInterrupted
from wmse_tui.engine.evaluation.pixel_batches import Geometry
from wmse_tui.engine.evaluation.probes import RAW_PIXEL_BYTES, geometry_of, labelled
from wmse_tui.runs.log.events import Evaluation

CPU = torch.device("cpu")


def coloured(split: str, count: int, seed: int, *, labels: Tensor | None = None) -> MemoryImages:
    """Images of 12 px, each in the colour of its class, under noise."""
    random = torch.Generator().manual_seed(seed)
    own = torch.arange(count) % 7
    colours = (
        torch.tensor([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9], [9, 9, 0], [0, 9, 9], [9, 0, 9]]) * 20 + 30
    )
    noise = torch.randint(40, (count, 3, 12, 12), generator=random)
    return MemoryImages(
        name="colours",
        split=split,
        pixels=(colours[own][:, :, None, None] + noise).to(torch.uint8),
        labels=own if labels is None else labels,
        classes=tuple("abcdefg"),
    )


def data_of(
    train: MemoryImages | None = None,
    probe_train: MemoryImages | None = None,
    probe_test: MemoryImages | None = None,
) -> Data:
    probe_train = coloured("train", 140, 1) if probe_train is None else probe_train
    return Data(
        train=probe_train if train is None else train,
        probe_train=probe_train,
        probe_test=coloured("test", 35, 2) if probe_test is None else probe_test,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        notices=(),
    )


def experiment_of(*, dataset: dict[str, Any] | None = None, **evaluation: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "dataset": {"name": "patterns", "crop": 12, **(dataset or {})},
            "evaluation": {"linear_at": "every", **evaluation},
        }
    )


def untrained() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )


def evaluate(
    experiment: Experiment,
    data: Data | None = None,
    encoder: nn.Module | None = None,
    *,
    epoch: int = 3,
    step: int = 30,
    final: bool = False,
    **options: Any,
) -> Evaluation | None:
    return function(
        untrained() if encoder is None else encoder,
        data_of() if data is None else data,
        experiment,
        CPU,
        epoch=epoch,
        step=step,
        final=final,
        **options,
    )


def test_an_evaluation_reports_both_probes_their_splits_and_its_step() -> None:
    result = evaluate(experiment_of(linear_epochs=100))

    assert result is not None
    assert (result.epoch, result.step) == (3, 30)
    assert (result.train_split, result.test_split) == ("train (140)", "test (35)")
    assert result.knn is not None
    assert (result.knn.k, result.knn.metric) == (5, "euclidean")
    assert result.knn.top1 > 0.9
    assert result.linear is not None
    assert result.linear.solver == "adam"
    assert result.linear.top5 is not None
    assert 1 / 7 < result.linear.top1 <= result.linear.top5 <= 1
    assert result.raw_pixels is None
    assert result.seconds > 0


def test_each_probe_can_be_chosen_or_left_out() -> None:
    cosine = evaluate(experiment_of(knn="cosine", neighbours=20, linear="off"))
    linear = evaluate(experiment_of(knn="off", linear="lbfgs"))

    assert cosine is not None
    assert cosine.knn is not None
    assert (cosine.knn.k, cosine.knn.metric, cosine.linear) == (20, "cosine", None)
    assert linear is not None
    assert linear.linear is not None
    assert (linear.knn, linear.linear.solver) == (None, "lbfgs")


def test_a_linear_probe_at_the_end_waits_for_the_last_evaluation() -> None:
    experiment = experiment_of(linear="lbfgs", linear_at="end")

    before, last = evaluate(experiment), evaluate(experiment, final=True)

    assert before is not None
    assert last is not None
    assert before.linear is None
    assert last.linear is not None


def test_raw_pixels_are_classified_once_before_training() -> None:
    experiment = experiment_of(raw_pixels=True, linear="off")

    start, later = evaluate(experiment, epoch=0, step=0), evaluate(experiment)

    assert start is not None
    assert later is not None
    assert start.raw_pixels == 1.0  # the colours are far apart and the noise is small
    assert later.raw_pixels is None


def test_before_the_first_step_the_encoder_borrows_statistics_of_the_training_images() -> None:
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if not norm.training:
                assert norm.running_mean is not None
                seen.append(norm.running_mean.clone())
            return x

    norm = nn.BatchNorm2d(3)
    encoder = nn.Sequential(norm, Spy(), nn.Flatten())
    train, experiment = coloured("train", 70, 5), experiment_of(linear="off")

    evaluate(experiment, data_of(train=train), encoder, epoch=0, step=0)
    evaluate(experiment, data_of(train=train), encoder, epoch=0, step=1)

    borrowed, own = seen[0], seen[-1]
    torch.testing.assert_close(borrowed, ((train.pixels / 255.0 - 0.5) / 0.25).mean((0, 2, 3)))
    assert torch.equal(own, torch.zeros(3))


def test_an_evaluation_changes_neither_encoder_nor_random_state() -> None:
    encoder = untrained().train()
    state, random_state = copy.deepcopy(encoder.state_dict()), torch.get_rng_state()

    evaluate(experiment_of(raw_pixels=True, linear_epochs=3), encoder=encoder, epoch=0, step=0)

    assert all(torch.equal(value, state[key]) for key, value in encoder.state_dict().items())
    assert encoder[1].momentum == 0.1
    assert all(module.training for module in encoder.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_two_evaluations_of_one_encoder_agree_to_the_bit() -> None:
    experiment = experiment_of(linear_epochs=20)
    first, second = evaluate(experiment), evaluate(experiment)

    assert first is not None
    assert second is not None
    assert (first.knn, first.linear) == (second.knn, second.linear)


def test_without_labels_or_probes_there_is_nothing_to_tell() -> None:
    unlabelled = MemoryImages(name="m", split="train", pixels=coloured("train", 20, 1).pixels)

    assert evaluate(experiment_of(), data_of(probe_train=unlabelled)) is None
    assert evaluate(experiment_of(), data_of(probe_test=unlabelled)) is None
    assert evaluate(experiment_of(knn="off", linear="off")) is None
    assert evaluate(experiment_of(knn="off", linear_at="end")) is None


def test_images_without_a_label_among_others_are_left_out() -> None:
    labels = torch.arange(140) % 7
    labels[::2] = -1

    result = evaluate(
        experiment_of(linear="off"), data_of(probe_train=coloured("train", 140, 1, labels=labels))
    )

    assert result is not None
    assert result.train_split == "train (70)"
    assert labelled(coloured("train", 140, 1, labels=torch.full((140,), -1))) is None


@pytest.mark.parametrize(
    ("dataset", "in_memory", "expected"),
    [
        ({"crop": 12}, True, Geometry(None, 12)),
        ({"crop": 12}, False, Geometry(12, 12)),
        ({"crop": 12, "eval_resize": 20}, True, Geometry(20, 12)),
        ({"crop": 12, "eval_resize": 20, "eval_crop": 16}, False, Geometry(20, 16)),
        ({"crop": 12, "eval_crop": 10}, False, Geometry(10, 10)),
    ],
)
def test_the_crop_is_by_default_that_of_training_and_files_are_resized_to_it(
    dataset: dict[str, Any], in_memory: bool, expected: Geometry
) -> None:
    class Files(MemoryImages):
        pixels = None  # type: ignore[assignment]

        def image(self, index: int) -> Image.Image:
            raise AssertionError("the geometry is known without opening an image")

    images = coloured("train", 2, 1) if in_memory else object.__new__(Files)

    assert geometry_of(images, experiment_of(dataset=dataset)) == expected


def test_it_reports_progress_of_every_part_and_stops_on_request() -> None:
    reported: list[str] = []

    def note(name: str, _done: float, _total: float, _unit: str) -> None:
        reported.append(name)

    evaluate(experiment_of(linear_epochs=2), epoch=0, step=0, progress=note)
    assert list(dict.fromkeys(reported)) == ["batch norm", "features", "knn", "linear"]

    for part in ("batch norm", "features", "knn"):
        reported.clear()
        with pytest.raises(EvaluationInterrupted):
            evaluate(
                experiment_of(),
                epoch=0,
                step=0,
                progress=note,
                should_stop=lambda part=part: part in reported,
            )


def test_fewer_labelled_images_than_neighbours_are_a_mistake_in_the_configuration() -> None:
    with pytest.raises(DataError) as caught:
        evaluate(experiment_of(neighbours=200))

    assert "evaluation.neighbours is 200, and train (140) is all there is" in str(caught.value)


def test_features_that_are_not_finite_are_reported() -> None:
    linear = nn.Linear(432, 4)
    encoder = nn.Sequential(nn.Flatten(), linear)
    with torch.no_grad():
        linear.weight[0, 0] = float("nan")

    with pytest.raises(Diverged) as caught:
        evaluate(experiment_of(), encoder=encoder)

    assert str(caught.value) == "the encoder's features are not finite: 140 of 140 images of train"


def test_more_raw_pixels_than_memory_allows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wmse_tui.engine.evaluation.probes.RAW_PIXEL_BYTES", 10_000)

    with pytest.raises(DataError) as caught:
        evaluate(experiment_of(raw_pixels=True), epoch=0, step=0)

    assert RAW_PIXEL_BYTES == 4 * 2**30
    assert "train (140): 0.0 GiB" in str(caught.value)
    assert caught.value.next == ("set evaluation.raw_pixels=false",)
