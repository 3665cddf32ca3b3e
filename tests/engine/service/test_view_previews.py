"""The previewed views are those that training makes, and only what a person changes changes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.data.plan import plan_views
from wmse_tui.engine.data.thumbnails import grid
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.profiling.image_cache import ImageCache
from wmse_tui.engine.service.protocol import BadRequest
from wmse_tui.engine.service.view_previews import SAVED_FILES, preview_views

RNG = np.random.default_rng(1)
EVERY_AUGMENTATION = ("augmentation.hue=0.2", "augmentation.saturation=0.5", "augmentation.blur_p=0.5")


def squares(answer: dict[str, Any]) -> Tensor:
    """The image of an answer as (columns, rows, 3, tile, tile)."""
    with Image.open(answer["path"]) as picture:
        pixels = torch.from_numpy(np.array(picture))
    rows, columns, tile = answer["rows"], answer["columns"], answer["tile"]
    assert pixels.shape == (rows * tile, columns * tile, 3)
    return pixels.view(rows, tile, columns, tile, 3).permute(2, 0, 4, 1, 3)


def trained_on(experiment: Experiment, epoch: int) -> dict[int, Tensor]:
    """The views of each image in an epoch of training, uint8 (views, 3, size, size), by its number."""
    data = load_data(experiment, progress=lambda *_: None)
    batches = build_batches(data.train, experiment, torch.device("cpu"))
    plan = plan_views(experiment)
    mean, std = (torch.tensor(values)[:, None, None] for values in (plan.mean, plan.std))
    found = {}
    for indices, batch in zip(plan.batches(len(data.train), epoch=epoch), batches.epoch(epoch), strict=True):
        pixels = (batch * std + mean).mul(255).round().to(torch.uint8)
        for row, index in enumerate(indices.tolist()):
            found[index] = pixels[:, row]
    batches.close()
    return found


@pytest.mark.parametrize("epoch", [0, 5])
@pytest.mark.parametrize("loader", ["batched", "workers"])
def test_they_are_the_pixels_of_training(
    loader: str, epoch: int, job: Callable[..., Any], images: ImageCache, tiny: Callable[..., Experiment]
) -> None:
    workers = ("compute.workers=0",) if loader == "workers" else ()
    experiment = tiny(f"compute.loader={loader}", *workers, *EVERY_AUGMENTATION, "augmentation.views=3")
    answer = preview_views(experiment, job(images=8, epoch=epoch), images)
    assert (answer["pipeline"], answer["epoch"], answer["columns"]) == (loader, epoch, 4)
    training, shown = trained_on(experiment, epoch), squares(answer)
    for row, number in enumerate(answer["images"]):
        assert torch.equal(shown[1:, row], training[number])


@pytest.mark.parametrize(
    ("compute", "pipeline", "rounding"),
    [("{workers: 0}", "workers", 0), ("{loader: jpeg}", "jpeg", 1)],
    ids=["workers", "jpeg"],
)
def test_of_photographs_too(
    compute: str, pipeline: str, rounding: int, job: Callable[..., Any], images: ImageCache, tmp_path: Path
) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(10):
            pixels = RNG.integers(0, 256, (30 + number, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "mine" / name / f"{number}.png")
    experiment = load_experiment(
        overrides=(
            "dataset.name=folder",
            f"dataset.root={tmp_path / 'mine'}",
            "dataset.crop=16",
            "method.name=simclr",
            "schedule.batch_size=6",
            f"compute={compute}",
            "seed=3",
        )
    )
    answer = preview_views(experiment, job(images=4), images)
    assert (answer["source"], answer["why"], answer["pipeline"]) == ("folder", "", pipeline)
    assert sorted(answer["classes"][:2]) == ["cats", "dogs"]
    training, shown = trained_on(experiment, 0), squares(answer)
    for row, number in enumerate(answer["images"]):
        assert (shown[1:, row].int() - training[number].int()).abs().max() <= rounding
    # a photograph that is no square is shown whole, on black
    original = shown[0, 0]
    assert not original[:, 0].any()
    assert original[:, 8].any()


def test_the_first_column_is_the_image_itself(
    job: Callable[..., Any], images: ImageCache, tiny: Callable[..., Experiment]
) -> None:
    experiment = tiny("dataset.crop=32")
    answer = preview_views(experiment, job(images=3), images)
    data = load_data(experiment, progress=lambda *_: None)
    assert data.train.pixels is not None
    assert torch.equal(squares(answer)[0], data.train.pixels[answer["images"]])
    assert answer["classes"] == ["stripes", "checks", "rings"]


def test_a_change_of_the_augmentation_changes_the_views_and_not_the_images(
    job: Callable[..., Any], images: ImageCache, tiny: Callable[..., Experiment]
) -> None:
    before = preview_views(tiny("augmentation.brightness=0"), job(), images)
    after = preview_views(tiny("augmentation.brightness=1"), job(), images)
    again = preview_views(tiny("augmentation.brightness=0"), job(), images)
    assert before["images"] == after["images"]
    assert torch.equal(squares(before), squares(again))
    assert torch.equal(squares(before)[0], squares(after)[0])
    assert not torch.equal(squares(before)[1:], squares(after)[1:])


def test_more_views_than_the_experiment_has_continue_its_views(
    job: Callable[..., Any], images: ImageCache, tiny: Callable[..., Experiment]
) -> None:
    few, many = (squares(preview_views(tiny(), job(views=count), images)) for count in (2, 5))
    assert many.shape[0] == 6
    assert torch.equal(many[:3], few)


def test_the_first_images_follow_the_last_ones(
    job: Callable[..., Any], images: ImageCache, tiny: Callable[..., Experiment]
) -> None:
    assert preview_views(tiny(), job(images=3, first=2), images)["images"] == [2, 3, 4]
    assert preview_views(tiny(), job(images=3, first=63), images)["images"] == [63, 0, 1]


def test_pixels_are_repeated_on_request(
    job: Callable[..., Any], images: ImageCache, tiny: Callable[..., Experiment]
) -> None:
    small, large = (preview_views(tiny(), job(scale=scale), images) for scale in (1, 3))
    assert (small["tile"], large["tile"]) == (16, 48)
    assert torch.equal(squares(large)[..., 1::3, 1::3], squares(small))
    assert torch.equal(squares(large)[..., ::3, 2::3], squares(small))


def test_a_grid_has_columns_beside_each_other() -> None:
    columns = torch.arange(3 * 2, dtype=torch.uint8)[:, None].reshape(3, 2, 1, 1, 1).expand(3, 2, 3, 2, 2)
    picture = np.array(grid(columns, 1))[..., 0]
    assert picture.tolist() == [[0, 0, 2, 2, 4, 4]] * 2 + [[1, 1, 3, 3, 5, 5]] * 2


def test_only_the_latest_files_stay(
    job: Callable[..., Any], images: ImageCache, tiny: Callable[..., Experiment], tmp_path: Path
) -> None:
    paths = [Path(preview_views(tiny(), job(), images)["path"]) for _ in range(SAVED_FILES + 3)]
    assert [path.exists() for path in paths] == [False] * 3 + [True] * SAVED_FILES
    assert {path.stat().st_mode & 0o777 for path in paths[3:]} == {0o600}


def test_what_the_loader_cannot_do_is_refused_as_in_a_run(
    job: Callable[..., Any], images: ImageCache, tiny: Callable[..., Experiment], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    for number in range(4):
        Image.new("RGB", (20, 20 + number)).save(tmp_path / "mine" / f"{number}.png")
    folder = ("dataset.name=folder", f"dataset.root={tmp_path / 'mine'}", "dataset.train_images=null")
    others = ("dataset.test_images=null", "method.name=simclr", "schedule.batch_size=4")
    experiment = tiny(*folder, *others, "compute.loader=batched")
    with pytest.raises(DataError, match=r"compute\.loader=batched needs images of one size in memory"):
        preview_views(experiment, job(), images)
    with pytest.raises(DataError, match="too few images for one batch"):
        preview_views(tiny(*folder, *others, "schedule.batch_size=5"), job(), images)
    with pytest.raises(BadRequest, match="images must be a whole number from 1 to 64"):
        preview_views(tiny(), job(images=65), images)
