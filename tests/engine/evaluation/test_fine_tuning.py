"""Fine-tuning on a part of the labels: which images it sees, what it changes, what it measures."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.images import ImageSet, MemoryImages
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.errors import Diverged
from wmse_tui.engine.evaluation import fine_tuning
from wmse_tui.engine.evaluation.fine_tuning import fine_tune
from wmse_tui.engine.evaluation.pixel_batches import Geometry
from wmse_tui.engine.evaluation.transfer_measures import FrozenEncoder
from wmse_tui.runs.state.transfer_results import FineTuned

EXPERIMENT = Experiment.model_validate(
    {"dataset": {"name": "patterns", "crop": 8}, "compute": {"device": "cpu", "workers": 0}}
)


def images(count: int, *, classes: int = 3, split: str = "train") -> MemoryImages:
    """Classes by their shade, with noise."""
    y = torch.arange(count) % classes
    noise = torch.randint(0, 60, (count, 3, 8, 8), generator=torch.Generator().manual_seed(count))
    pixels = (noise + 70 * y[:, None, None, None]).to(torch.uint8)
    return MemoryImages(name="made", split=split, pixels=pixels, labels=y)


def encoder() -> FrozenEncoder:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return FrozenEncoder(
        network=network,
        device=torch.device("cpu"),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        geometry=Geometry(8, 8),
        experiment=EXPERIMENT,
    )


def tuned(train: ImageSet, test: ImageSet, share: float = 0.1, **options: Any) -> FineTuned:
    return fine_tune(encoder(), train, test, share=share, **{"steps": 10, "per_class": False, **options})


def test_a_part_of_the_labels_is_learnt_and_the_encoder_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fine_tuning, "RATE", 0.05)
    one = encoder()
    before = copy.deepcopy(one.network.state_dict())
    train, test = images(300), images(90, split="test")
    found = fine_tune(one, train, test, share=0.1, steps=60, per_class=False)
    assert (found.share, found.images, found.steps) == (0.1, 30, 60)
    assert found.score.value > 0.9
    assert all(torch.equal(value, before[name]) for name, value in one.network.state_dict().items())
    assert one.network.training


@pytest.mark.parametrize(("share", "expected"), [(0.001, [1, 1, 1]), (0.1, [10, 10, 10]), (1.0, [100] * 3)])
def test_the_part_has_its_share_and_every_class(
    share: float, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ImageSet] = []

    def noted(part: ImageSet, *arguments: Any) -> Any:
        seen.append(part)
        return build_batches(part, *arguments)

    monkeypatch.setattr(fine_tuning, "build_batches", noted)
    tuned(images(300), images(30, split="test"), share, steps=1)
    (part,) = seen
    assert part.labels is not None
    assert part.labels.bincount().tolist() == expected


def test_the_labels_of_the_test_change_the_score_and_nothing_else() -> None:
    """The predictions, which are all that comes of training, are the same."""
    test = images(30, split="test")
    assert test.labels is not None
    true = tuned(images(60), test)
    planted = [tuned(images(60), MemoryImages(name="made", split="test", pixels=test.pixels, labels=y))
               for y in ((test.labels + 1) % 3, (test.labels + 2) % 3)]  # fmt: skip
    assert true.score.value + sum(other.score.value for other in planted) == pytest.approx(1)
    assert tuned(images(60), test) == true


def test_a_loss_that_is_not_finite_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "RATE", float("inf"))
    with pytest.raises(Diverged, match="fine-tuning diverged"):
        tuned(images(60), images(30, split="test"))
