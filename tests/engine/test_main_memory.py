"""The memory of the machine or of a container, and images that do not fit into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from PIL import Image

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.images import ImageSet, empty_pixels
from wmse_tui.engine.data.sources import pixel_cache
from wmse_tui.engine.data.sources.damaged import STOP
from wmse_tui.engine.data.sources.files import FileImages, images_from_files
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.main_memory import Memory, main_memory
from wmse_tui.runs.process import control_groups

Limit = Callable[[int, int], None]


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Sets the limit of a container's memory, and how much of it is used."""
    monkeypatch.setattr(control_groups, "ROOT", tmp_path)

    def put(total: int, used: int) -> None:
        (tmp_path / "memory.max").write_text(f"{total}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")

    return put


def test_a_limit_is_the_memory_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_groups, "ROOT", tmp_path)
    assert main_memory().total == psutil.virtual_memory().total
    (tmp_path / "memory.max").write_text("300000000\n")
    (tmp_path / "memory.current").write_text("120000000\n")
    assert main_memory() == Memory(300_000_000, 180_000_000)


def test_a_machine_without_proc_has_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = psutil.virtual_memory().total
    monkeypatch.setattr("wmse_tui.engine.main_memory.MEMINFO", Path("/absent/meminfo"))
    found = main_memory()
    assert found.total == pytest.approx(expected, rel=0.01)
    assert 0 < found.free <= found.total


def test_images_that_do_not_fit_are_refused_before_they_are_read(limit: Limit) -> None:
    limit(10**9, 9 * 10**8)
    with pytest.raises(DataError) as caught:
        empty_pixels(50_000, 32, 32, "train")
    assert caught.value.title == "the images do not fit into the memory"
    assert caught.value.detail == "50,000 images of train need 154 MB, and 100 MB of 1.0 GB free"
    limit(10**9, 8 * 10**8)
    assert empty_pixels(50_000, 32, 32, "train").shape == (50_000, 3, 32, 32)


def test_the_advice_about_images_that_do_not_fit_holds(limit: Limit) -> None:
    limit(100_000_000, 0)
    sizes = ("dataset.train_images=40000", "dataset.test_images=10")
    with pytest.raises(DataError) as caught:
        load_data(load_experiment(preset="quickstart", overrides=sizes), progress=lambda *_: None)
    advised = caught.value.next[1].partition("--set ")[2]
    experiment = load_experiment(preset="quickstart", overrides=(*sizes, advised))
    assert len(load_data(experiment, progress=lambda *_: None).train) == 10_000


def test_files_stay_files_where_they_would_fill_the_memory(
    tmp_path: Path, limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an earlier start, with more memory, has cached their pixels."""
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pixel_cache, "MIN_IMAGES", 1)
    paths = [str(tmp_path / f"{index}.png") for index in range(40)]
    for path in paths:
        Image.new("RGB", (100, 100)).save(path)

    def read() -> ImageSet:
        return images_from_files(
            paths,
            name="folder",
            split="train",
            labels=None,
            classes=(),
            damaged=STOP,
            progress=lambda *_: None,
        )

    assert isinstance(read().pixels, torch.Tensor)
    limit(2_000_000, 0)
    images = read()
    assert isinstance(images, FileImages)
    assert images.why == (
        "40 images of the size of the first (100 x 100) would need 1.2 MB of memory, and 1.0 MB is the "
        "most: 50% of the memory that this process may use"
    )
