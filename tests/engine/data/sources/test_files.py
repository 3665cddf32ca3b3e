"""Files as a set of images: in memory when alike and few, otherwise read when requested."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wmse_tui.engine.data.images import ImageSet, MemoryImages
from wmse_tui.engine.data.sources import files
from wmse_tui.engine.data.sources.damaged import STOP, DamagedPolicy
from wmse_tui.engine.data.sources.files import images_from_files
from wmse_tui.engine.data.sources.image_file import repairs
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]
Picture = Callable[..., Path]


def read(paths: list[Path], progress: Progress, policy: DamagedPolicy = STOP) -> ImageSet:
    labels = torch.arange(len(paths)) % 2
    return images_from_files(
        list(map(str, paths)),
        name="folder",
        split="train",
        labels=labels,
        classes=("a", "b"),
        damaged=policy,
        progress=progress,
    )


def test_images_of_one_size_are_in_memory(tmp_path: Path, picture: Picture, progress: Progress) -> None:
    images = read([picture(tmp_path / f"{i}.png", i, (5, 4)) for i in range(200)], progress)
    assert images.pixels is not None
    assert images.pixels.shape == (200, 3, 4, 5)
    assert images.pixels[:, 0, 0, 0].tolist() == list(range(200))
    assert images.image(7).getpixel((4, 3)) == (7, 7, 7)


def test_a_thousand_images_keep_their_order(tmp_path: Path, picture: Picture) -> None:
    reports: list[tuple[str, float, float, str]] = []
    paths = [picture(tmp_path / f"{i:04}.png", i % 256, (2, 2)) for i in range(1000)]
    images = read(paths, lambda *event: reports.append(event))
    assert images.pixels is not None
    assert images.pixels[:, 1, 1, 1].tolist() == [i % 256 for i in range(1000)]
    assert [reports[0], reports[-1]] == [
        ("checking train files", 0, 1000, "files"),
        ("decoding train images", 1000, 1000, "images"),
    ]


@pytest.mark.parametrize("odd", [0, 150, 299])
def test_images_of_several_sizes_stay_in_their_files(
    tmp_path: Path, picture: Picture, progress: Progress, odd: int
) -> None:
    images = read(
        [picture(tmp_path / f"{i}.png", i % 256, (9, 4) if i == odd else (5, 4)) for i in range(300)],
        progress,
    )
    assert images.pixels is None
    assert images.image(odd).size == (9, 4)
    assert [images.image(i).getpixel((0, 0)) for i in (1, 200)] == [(1, 1, 1), (200, 200, 200)]


def test_too_many_bytes_stay_in_their_files(
    tmp_path: Path, picture: Picture, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [picture(tmp_path / f"{i}.png", i, (4, 4)) for i in range(3)]
    monkeypatch.setattr(files, "MEMORY_BYTES", 3 * 48 - 1)
    assert read(paths, progress).pixels is None
    monkeypatch.setattr(files, "MEMORY_BYTES", 3 * 48)
    assert read(paths, progress).pixels is not None


def test_a_set_of_files_can_be_pickled_for_a_worker(
    tmp_path: Path, picture: Picture, progress: Progress
) -> None:
    images = read([picture(tmp_path / f"ä {i}.png", i, (4 + i, 4)) for i in range(4)], progress)
    some = pickle.loads(pickle.dumps(images.take(torch.tensor([3, 1]))))
    assert len(some) == 2
    assert some.labels.tolist() == [1, 1]
    assert (some.name, some.split, some.classes) == ("folder", "train", ("a", "b"))
    assert [some.image(i).getpixel((0, 0)) for i in (0, 1)] == [(3, 3, 3), (1, 1, 1)]


def test_all_files_that_are_no_images_are_named_before_anything_is_decoded(
    tmp_path: Path, picture: Picture, progress: Progress
) -> None:
    paths = [picture(tmp_path / f"{i}.png") for i in range(300)]
    paths[3].write_bytes(b"")
    paths[290].write_bytes(b"<html>")
    with pytest.raises(DataError) as caught:
        read(paths, progress)
    assert caught.value.title == "2 files of 300 cannot be read as images"
    assert caught.value.detail == f"{paths[3]} (empty file), {paths[290]} (not an image)"
    assert caught.value.next == repairs("each")
    assert caught.value.files == (str(paths[3]), str(paths[290]))


def test_a_truncated_image_is_named_at_the_start_or_when_it_is_met(
    tmp_path: Path, picture: Picture, progress: Progress
) -> None:
    paths = [picture(tmp_path / f"{i}.png", i, (40, 40)) for i in range(3)]
    paths[2].write_bytes(paths[2].read_bytes()[:60])
    with pytest.raises(DataError, match=f"an image cannot be read: {paths[2]}"):
        read(paths, progress)
    picture(paths[1], 1, (41, 40))
    images = read(paths, progress)
    with pytest.raises(DataError, match=f"an image cannot be read: {paths[2]}"):
        images.image(2)


def test_files_with_values_that_are_no_numbers_are_reported(tmp_path: Path, progress: Progress) -> None:
    paths = [tmp_path / f"{index}.tif" for index in range(9)]
    for index, path in enumerate(paths):
        values = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
        values[0, 0] = np.nan if index in (2, 5) else 0
        Image.fromarray(values).save(path)
    named = f"(NaN, infinite or marked as no data), read as black: {paths[2]}, {paths[5]}"
    images = read(paths, progress)
    assert isinstance(images, MemoryImages)
    assert images.notices == (f"2 of 9 files of train have values that are no numbers {named}",)
    Image.new("F", (9, 9)).save(paths[0])
    images = read(paths, progress)
    assert isinstance(images, files.FileImages)
    assert images.notices == (f"2 of 9 sampled files of train have values that are no numbers {named}",)
