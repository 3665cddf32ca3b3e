"""A folder of the user's own images: what it holds, and the run that is proposed for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from wmse_tui.config.image_folder import (
    ImageFolder,
    beginning_of_id,
    folder_draft,
    folder_problem,
    read_image_folder,
)
from wmse_tui.config.loading import load_experiment


def write_images(folder: Path, number: int, size: tuple[int, int] = (40, 30)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        Image.new("RGB", size).save(folder / f"{index}.png")


def found(images: int, *, side: int = 30, tests: int | None = None) -> ImageFolder:
    return ImageFolder(
        root=Path("/data/mine"),
        classes=(("cat", images),),
        top=0,
        test_images=tests,
        sides=(side,),
        unreadable=0,
        complete=True,
    )


def test_classes_images_and_sizes_are_counted(tmp_path: Path) -> None:
    write_images(tmp_path / "dog" / "deep", 3)
    write_images(tmp_path / "cat", 2, (100, 64))
    (tmp_path / "cat" / "broken.jpg").write_text("no image")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    write_images(tmp_path / ".hidden", 1)
    write_images(tmp_path, 1)
    folder = read_image_folder(tmp_path)
    assert folder.classes == (("cat", 3), ("dog", 3))
    assert (folder.top, folder.images, folder.test_images) == (1, 7, None)
    assert folder.sides == (30, 30, 30, 30, 64, 64)
    assert (folder.unreadable, folder.complete) == (1, True)


@pytest.mark.parametrize("train", ["Train", ""])
def test_a_folder_for_the_test_is_counted_apart(tmp_path: Path, train: str) -> None:
    write_images(tmp_path / train / "cat", 2)
    write_images(tmp_path / "VAL" / "cat", 3)
    folder = read_image_folder(tmp_path)
    assert (folder.classes, folder.test_images) == ((("cat", 2),), 3)


def test_counting_ends_in_time_and_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    assert not read_image_folder(tmp_path, seconds=0).complete
    with pytest.raises(FileNotFoundError):
        read_image_folder(tmp_path / "none")


def test_a_folder_that_cannot_be_trained_on_says_why(tmp_path: Path) -> None:
    assert "holds no images" in folder_problem(read_image_folder(tmp_path))
    (tmp_path / "a.jpg").write_text("no image")
    assert "None of its images can be read" in folder_problem(read_image_folder(tmp_path))
    assert folder_problem(found(35)) == "35 images are too few to train on: 32 and a test are the least."
    assert folder_problem(found(36)) == ""


@pytest.mark.parametrize(
    ("side", "preset", "crop"), [(32, "cifar10", 32), (96, "stl10", 64), (300, "imagenet100", 224)]
)
def test_the_recipe_is_that_for_images_of_the_size(side: int, preset: str, crop: int) -> None:
    draft = folder_draft(found(100_000, side=side))
    assert (draft.base.name, draft.values["dataset.crop"]) == (preset, crop)
    assert draft.values["dataset.root"] == "/data/mine"
    assert set(draft.active) <= {"dataset.name", "dataset.root"}, "many images need no other sizes"
    assert draft.experiment is not None


@pytest.mark.parametrize(
    ("overrides", "preset", "begins"),
    [
        (["dataset={name: folder, root: /data/mine}"], "cifar10", "mine"),
        (["dataset={name: folder, root: /data/mine}"], "", "mine"),
        (["dataset={name: folder, root: /data/mine}"], "own-recipe", "own-recipe"),
        (["dataset={name: folder, root: /}"], "cifar10", "cifar10"),
        (["dataset.root=/data/mine"], "cifar10", "cifar10"),
    ],
)
def test_a_run_on_own_images_is_named_after_their_folder(
    overrides: list[str], preset: str, begins: str
) -> None:
    assert beginning_of_id(load_experiment(overrides=overrides), preset) == begins


@pytest.mark.parametrize("images", [36, 50, 64, 100, 257, 400, 1000, 1500, 5000])
@pytest.mark.parametrize("side", [32, 96, 300])
@pytest.mark.parametrize("tests", [None, 10])
def test_the_sizes_fit_any_number_of_images(images: int, side: int, tests: int | None) -> None:
    draft = folder_draft(found(images, side=side, tests=tests))
    assert draft.experiment is not None, draft.problems
    trained = images if tests is not None else images - round(images / 10)
    assert draft.experiment.schedule.batch_size <= trained
    assert draft.values["method.whitening_size"] > draft.values["projector.dim"]
    assert draft.values["schedule.batch_size"] % draft.values["method.whitening_size"] == 0
