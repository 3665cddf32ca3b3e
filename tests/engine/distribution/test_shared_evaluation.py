"""An evaluation by several ranks has the bits of one process: batches, statistics, features, accuracies."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import ForkedRanks
from PIL import Image
from torch import Tensor

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.sources.damaged import DamagedImages, DamagedPolicy
from wmse_tui.engine.distribution.ranks import ALONE, Group, Kind, Message, Ranks
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.evaluation import EvaluationInterrupted, calibrated_batch_norm, evaluate, lidar
from wmse_tui.engine.evaluation.dealt_batches import count_damaged
from wmse_tui.engine.methods import build_method

CPU = torch.device("cpu")
SETTINGS = (
    "dataset.train_images=60",
    "dataset.test_images=30",
    "dataset.crop=16",
    "projector.hidden=16",
    "projector.dim=4",
    "method.whitening_size=8",
    "schedule.batch_size=24",
    "evaluation.batch_size=13",  # 5 and 3 batches, of which the last are shorter
    "evaluation.neighbours=5",
    "evaluation.linear=off",  # it follows from the features
    "evaluation.raw_pixels=true",
    "evaluation.lidar_images=20",
    "evaluation.lidar_views=8",
    "compute.device=cpu",
    "compute.workers=0",
)
CASES = {
    "BatchNorm": (),
    "whitened": ("backbone.whitening=iterative", "backbone.whitening_groups=8"),
    "bfloat16, of groups": ("compute.precision=bfloat16", "backbone.norm_images=2"),
}


def await_announcement(ranks: Ranks, kind: Kind) -> None:
    """On another rank than 0, as a training does."""
    if isinstance(ranks, Group) and ranks.rank:
        assert ranks.receive().kind is kind


def evaluated(ranks: Ranks, settings: tuple[str, ...]) -> dict[str, Any]:
    """All that an untrained and a trained encoder are measured by; of rank 0."""
    experiment = load_experiment(preset="quickstart", overrides=(*SETTINGS, *settings))
    data = load_data(experiment, progress=lambda *_: None)
    torch.manual_seed(0)
    encoder = build_method(experiment).encoder
    before = copy.deepcopy(encoder.state_dict())
    found: dict[str, Any] = {}

    def use(features: Tensor, labels: Tensor) -> None:
        found[f"features {len(found)}"] = features
        found[f"labels {len(found)}"] = labels

    for step in (0, 1):
        await_announcement(ranks, Kind.EVALUATE)
        result = evaluate(
            encoder, data, experiment, CPU, epoch=step, step=step, final=True, use_features=use, ranks=ranks
        )
        assert (result is None) == bool(ranks.rank)
        if result is not None:
            found[f"accuracies {step}"] = (result.knn, result.raw_pixels, result.test_split)
        count_damaged(data.damaged(), ranks)
    await_announcement(ranks, Kind.LIDAR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lidar, "VIEWS_AT_ONCE", 32)  # 5 batches
        found["lidar"] = lidar.encoder_lidar(encoder, data.train, experiment, CPU, ranks=ranks)
    with calibrated_batch_norm(
        encoder, data.train, mean=data.mean, std=data.std, crop=16, resize=16, batch_size=13, ranks=ranks
    ):
        found |= {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    after = encoder.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    return found


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(found) == list(expected)
    assert len(expected["features 0"]) > 0
    for name, value in expected.items():
        equal = torch.equal(found[name], value) if isinstance(value, Tensor) else found[name] == value
        assert equal, name


@cache
def evaluated_alone(case: str) -> dict[str, Any]:
    return evaluated(ALONE, CASES[case])


@pytest.mark.parametrize(
    ("case", "ranks"),
    [("BatchNorm", 2), ("BatchNorm", 4), ("whitened", 2), ("bfloat16, of groups", 2)],
    indirect=["ranks"],
)
def test_the_bits_are_those_of_one_process(case: str, ranks: ForkedRanks) -> None:
    """Each rank asserts that its encoder is afterwards what it was."""
    assert_equal(ranks.run(evaluated, CASES[case]), evaluated_alone(case))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of several sizes in files, of which two of each split are damaged."""
    root = tmp_path_factory.mktemp("images")
    generator = torch.Generator().manual_seed(1)
    for split, count in (("train", 60), ("test", 30)):
        for index in range(count):
            path = root / split / f"class {index % 3}" / f"{index:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = torch.randint(0, 256, (20 + index % 5, 24, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(path)
        for index in (7, count - 1):
            path = root / split / f"class {index % 3}" / f"{index:03}.png"
            path.write_bytes(path.read_bytes()[:-60])
    return root


def of_files(folder: Path, *more: str) -> tuple[str, ...]:
    return (
        "dataset.name=folder",
        f"dataset.root={folder}",
        "dataset.train_images=null",
        "dataset.test_images=null",
        "dataset.on_damaged=skip",
        "evaluation.batch_size=8",
        "evaluation.lidar_images=20",
        *more,
    )


@pytest.mark.parametrize("ranks", [2], indirect=True)
def test_damaged_images_are_left_out_whichever_rank_has_read_them(folder: Path, ranks: ForkedRanks) -> None:
    settings = of_files(folder, "dataset.damaged_limit=0.2")
    alone = evaluated(ALONE, settings)
    assert alone["accuracies 1"][2] == "test (28)"
    assert_equal(ranks.run(evaluated, settings), alone)


def one_too_many(ranks: Ranks) -> None:
    images = DamagedImages("test", 10, DamagedPolicy(skip=True, limit=0.1))
    images.merge({f"{ranks.rank}.png": "broken"})
    if ranks.rank:
        count_damaged([images], ranks)
        return
    with pytest.raises(DataError, match="too many images cannot be read") as caught:
        count_damaged([images], ranks)
    assert caught.value.files == ("0.png", "1.png")


@pytest.mark.parametrize("ranks", [2], indirect=True)
def test_damaged_images_of_all_ranks_count(ranks: ForkedRanks) -> None:
    ranks.run(one_too_many)


def interrupted(ranks: Group, checks: int) -> None:
    """Rank 0 is stopped when it has checked so often; the others then await what it announces next."""
    experiment = load_experiment(preset="quickstart", overrides=SETTINGS)
    data = load_data(experiment, progress=lambda *_: None)
    encoder = build_method(experiment).encoder
    before = copy.deepcopy(encoder.state_dict())
    answers = iter([False] * checks)
    await_announcement(ranks, Kind.EVALUATE)
    with pytest.raises(EvaluationInterrupted):
        evaluate(
            encoder,
            data,
            experiment,
            CPU,
            epoch=0,
            step=0,
            final=True,
            should_stop=lambda: ranks.rank == 0 and next(answers, True),
            ranks=ranks,
        )
    if ranks.rank == 0:
        ranks.announce(Message(Kind.END))
    else:
        assert ranks.receive().kind is Kind.END
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("ranks", [2], indirect=True)
def test_an_interruption_of_rank_0_interrupts_all(ranks: ForkedRanks) -> None:
    """Among raw pixels, before the statistics and amid them, amid features."""
    for checks in (1, 9, 11, 13):
        ranks.run(interrupted, checks)
