"""The user's own images in every layout that people have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data, load_data
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]
Picture = Callable[..., Path]
Load = Callable[..., Data]


@pytest.fixture
def load(progress: Progress, experiment_on: Callable[..., Experiment], tmp_path: Path) -> Load:
    return lambda **options: load_data(
        experiment_on(name="folder", root=tmp_path, **options), progress=progress
    )


def fill(root: Path, picture: Picture, counts: dict[str, int]) -> None:
    """For each folder so many images, whose shade is the number of the folder."""
    for shade, (name, count) in enumerate(counts.items()):
        for index in range(count):
            picture(root / name / f"{index:03}.png", shade * 20)


def shades(images: ImageSet | None) -> list[int]:
    assert images is not None
    return [int(np.asarray(images.image(i))[0, 0, 0]) for i in range(len(images))]


def test_train_and_test_folders(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, {"train/ant": 4, "train/bee": 6, "train/cat": 3, "test/ant": 1, "test/cat": 2})
    data = load()
    assert data.train_split == "train (13)"
    assert data.probe_split == "train (13) -> test (3)"
    assert data.train.classes == ("ant", "bee", "cat")
    assert data.train.labels is not None
    assert data.train.labels.tolist() == [0] * 4 + [1] * 6 + [2] * 3
    assert data.probe_test is not None
    assert data.probe_test.labels is not None
    assert data.probe_test.labels.tolist() == [0, 2, 2]  # numbered as in train, though bee is not tested
    assert data.notices == ("3 classes from the folder names: ant, bee, cat",)
    assert data.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_test_folder_may_have_other_names(tmp_path: Path, picture: Picture, load: Load, name: str) -> None:
    fill(tmp_path, picture, {"train/ant": 2, "train/bee": 2, f"{name}/ant": 1, f"{name}/bee": 1})
    assert load().probe_split == f"train (4) -> {name} (2)"


def test_the_labelled_one_of_test_and_val_is_used(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, {"train/ant": 2, "train/bee": 2, "test/images": 3, "val/ant": 1, "val/bee": 1})
    assert load().probe_split == "train (4) -> val (2)"


def test_classes_may_hold_folders(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, {"train/ant/images": 2, "train/bee/images": 2, "test/ant": 1, "test/bee/a/b": 1})
    data = load()
    assert data.train.classes == ("ant", "bee")
    assert data.probe_split == "train (4) -> test (2)"


def test_a_share_of_each_class_is_held_out(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, {"ant": 20, "bee": 10, "cat": 2, "dog": 1})
    data = load(held_out=0.3)
    assert data.train_split == "all without held-out (23)"
    assert data.probe_split == "all without held-out (23) -> held-out (10)"
    assert data.probe_test is not None
    assert data.probe_test.labels is not None
    assert data.train.labels is not None
    assert data.probe_test.labels.bincount().tolist() == [6, 3, 1]
    assert data.train.labels.bincount().tolist() == [14, 7, 1, 1]
    assert shades(data.probe_test) == [0] * 6 + [20] * 3 + [40]
    assert data.notices[-1] == "10 images (30% of each class) held out for the test"


def test_the_held_out_images_are_others_than_the_training_images(
    tmp_path: Path, picture: Picture, load: Load
) -> None:
    for index in range(100):
        picture(tmp_path / ("ant" if index % 2 else "bee") / f"{index:03}.png", index)
    data = load()
    assert sorted(shades(data.train) + shades(data.probe_test)) == list(range(100))
    assert shades(data.probe_test) == shades(load().probe_test)


def test_a_train_folder_alone_is_parted(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, {"train/ant": 10, "train/bee": 10})
    assert load().probe_split == "train without held-out (18) -> held-out (2)"


def test_an_unsorted_test_folder_is_reported_and_not_used(
    tmp_path: Path, picture: Picture, load: Load
) -> None:
    fill(tmp_path, picture, {"train/ant": 10, "train/bee": 10, "val/images": 4})
    data = load()
    assert data.probe_split == "train without held-out (18) -> held-out (2)"
    assert (
        f"{tmp_path}/val is not used: it holds 1 folder with 4 images (images), no class folders"
        in data.notices
    )


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"": 5}, "{root} holds 5 images directly in it, no class folders"),
        ({"images": 5}, "{root} holds 1 folder with 5 images (images), no class folders"),
        (
            {"ant": 2, "bee": 2, "": 1},
            "{root} holds 1 image directly in it and 2 folders with 4 images (ant, bee), no class folders",
        ),
        (
            {"2019/may": 2, "2020/june": 3},
            "in {root} images are deeper than in 2019, 2020, so folders do not count as classes",
        ),
        ({"train": 5, "test": 2}, "{root}/train holds 5 images directly in it, no class folders"),
    ],
)
def test_images_without_class_folders_train_without_labels(
    tmp_path: Path, picture: Picture, load: Load, counts: dict[str, int], reason: str
) -> None:
    fill(tmp_path, picture, counts)
    data = load()
    assert len(data.train) == sum(count for name, count in counts.items() if name != "test")
    assert data.train.labels is None
    assert data.train.classes == ()
    assert data.probe_train is None
    assert data.probe_test is None
    assert data.probe_split == ""
    notices = [notice for notice in data.notices if notice.startswith("no labels")]
    assert notices == [f"no labels: no accuracies, loss only ({reason.format(root=tmp_path)})"]


def test_one_image_per_class_leaves_nothing_to_test(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, {"ant": 1, "bee": 1, "cat": 1})
    data = load()
    assert len(data.train) == 3
    assert data.probe_test is None
    assert data.notices[-1] == (f"no labels: no accuracies, loss only ({tmp_path} has one image per class)")


def test_limits_are_balanced_and_named(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, {"train/ant": 20, "train/bee": 5, "test/ant": 4, "test/bee": 4})
    data = load(train_images=8, test_images=2)
    assert data.probe_split == "train subset (8) -> test subset (2)"
    assert data.train.labels is not None
    assert data.train.labels.bincount().tolist() == [4, 4]
    with pytest.raises(DataError, match=r"dataset.train_images asks for 26 images, there are 25"):
        load(train_images=26)


def test_a_test_class_that_the_training_lacks_is_refused(
    tmp_path: Path, picture: Picture, load: Load
) -> None:
    fill(tmp_path, picture, {"train/ant": 2, "train/bee": 2, "test/ant": 1, "test/wasp": 1, "test/yak": 1})
    with pytest.raises(DataError) as caught:
        load()
    assert caught.value.title == f"2 classes of {tmp_path}/test cannot be learnt"
    assert caught.value.detail == f"{tmp_path}/train has no folder for wasp, yak; it has ant, bee"


def test_separate_probe_folders_judge_unlabelled_training(
    tmp_path: Path, picture: Picture, experiment_on: Callable[..., Experiment], progress: Progress
) -> None:
    fill(tmp_path / "own", picture, {"": 5})
    fill(tmp_path, picture, {"learn/ant": 3, "learn/bee": 3, "judge/ant": 1, "judge/bee": 2})
    data = load_data(
        experiment_on(
            name="folder",
            root=tmp_path / "own",
            probe_train=tmp_path / "learn",
            probe_test=tmp_path / "judge",
        ),
        progress=progress,
    )
    assert data.train.labels is None
    assert data.probe_split == f"{tmp_path}/learn (6) -> {tmp_path}/judge (3)"
    assert data.notices == ()
    assert data.probe_test is not None
    assert data.probe_test.labels is not None
    assert data.probe_test.labels.tolist() == [0, 1, 1]


def test_a_limit_of_test_images_holds_for_a_separate_probe_folder(
    tmp_path: Path, picture: Picture, experiment_on: Callable[..., Experiment], progress: Progress
) -> None:
    fill(tmp_path, picture, {"own": 5, "learn/ant": 3, "learn/bee": 3, "judge/ant": 3, "judge/bee": 3})
    folders = {"root": tmp_path / "own", "probe_train": tmp_path / "learn", "probe_test": tmp_path / "judge"}
    data = load_data(experiment_on(name="folder", test_images=2, **folders), progress=progress)
    assert data.probe_split == f"{tmp_path}/learn (6) -> {tmp_path}/judge subset (2)"


def test_separate_probe_folders_leave_all_images_to_the_training(
    tmp_path: Path, picture: Picture, experiment_on: Callable[..., Experiment], progress: Progress
) -> None:
    fill(tmp_path, picture, {"own/x": 10, "own/y": 10, "learn/ant": 3, "learn/bee": 3})
    data = load_data(
        experiment_on(
            name="folder",
            root=tmp_path / "own",
            probe_train=tmp_path / "learn",
            probe_test=tmp_path / "learn",
        ),
        progress=progress,
    )
    assert data.train_split == "all (20)"


def test_probe_folders_without_classes_are_refused(
    tmp_path: Path, picture: Picture, experiment_on: Callable[..., Experiment], progress: Progress
) -> None:
    fill(tmp_path, picture, {"learn/ant": 3, "learn/bee": 3, "judge": 2})
    with pytest.raises(DataError) as caught:
        load_data(
            experiment_on(
                name="patterns",
                probe_train=tmp_path / "learn",
                probe_test=tmp_path / "judge",
                train_images=10,
            ),
            progress=progress,
        )
    assert caught.value.title == f"the probes need labelled images, and {tmp_path}/judge has no class folders"
    assert caught.value.detail == "dataset.probe_test holds 2 images directly in it"
    assert caught.value.next == (f"sort the images into one folder per class: {tmp_path}/judge/CLASS/IMAGE",)


def test_a_folder_without_images_is_an_error_that_lists_its_content(tmp_path: Path, load: Load) -> None:
    (tmp_path / "a.heic").touch()
    with pytest.raises(DataError) as caught:
        load()
    assert caught.value.title == f"no images in {tmp_path}"
    assert caught.value.detail == (
        f"{tmp_path}: files that are no images by their names are ignored: 1 .heic; known are "
        ".avif .bmp .gif .jp2 .jpeg .jpg .pgm .png .ppm .tif .tiff .webp and what else Pillow decodes"
    )


def test_an_absent_folder_is_an_error(
    tmp_path: Path, load: Load, experiment_on: Callable[..., Experiment]
) -> None:
    with pytest.raises(DataError, match=f"no folder {tmp_path}/absent: it does not exist"):
        load_data(experiment_on(name="folder", root=tmp_path / "absent"), progress=lambda *_: None)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "Test"),
        ("Training", "Testing"),
        ("TRAIN", "VAL"),
        ("train", "eval"),
        ("Train", "Evaluation"),
    ],
)
def test_the_parts_are_understood_in_other_spellings(
    tmp_path: Path, picture: Picture, load: Load, train: str, test: str
) -> None:
    fill(tmp_path, picture, {f"{name}/{kind}": 2 for name in (train, test) for kind in ("ant", "bee")})
    data = load()
    assert data.probe_split == f"train (4) -> {test} (4)"
    assert data.notices[0] == f"{tmp_path / train} is trained on, {tmp_path / test} is the test"


def test_every_folder_beside_those_used_is_reported_with_its_images(
    tmp_path: Path, picture: Picture, load: Load
) -> None:
    parts = {f"{part}/{kind}": 2 for part in ("train", "test", "val", "extra") for kind in ("ant", "bee")}
    fill(tmp_path, picture, parts)
    (tmp_path / "notes").mkdir()
    picture(tmp_path / "cover.png")
    (tmp_path / "latest").symlink_to("train")
    assert load().notices[1:] == (
        f"{tmp_path}/extra is not used: it holds 4 images",
        f"{tmp_path}/val is not used: it holds 4 images",
        f"not used: 1 image directly in {tmp_path}",
        f"{tmp_path}: folders without images are ignored: notes",
    )


def test_folders_beside_a_train_folder_without_a_test_are_reported(
    tmp_path: Path, picture: Picture, load: Load
) -> None:
    fill(tmp_path, picture, {"train/ant": 10, "train/bee": 10, "holdout/ant": 3, "holdout/bee": 4})
    assert f"{tmp_path}/holdout is not used: it holds 7 images" in load().notices


def test_a_test_folder_among_classes_is_reported(tmp_path: Path, picture: Picture, load: Load) -> None:
    fill(tmp_path, picture, {"ant": 10, "bee": 10, "Test": 4})
    assert f"{tmp_path}/Test is trained on too, as there is no {tmp_path}/train" in load().notices
