"""Where images stay, why, and that a batch sent ahead of its use is the batch that was requested."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.data.placement import place_images
from wmse_tui.engine.data.plan import plan_views
from wmse_tui.engine.data.resident import ResidentBatches
from wmse_tui.engine.data.sources import files
from wmse_tui.engine.data.sources.damaged import STOP
from wmse_tui.engine.data.sources.files import images_from_files
from wmse_tui.engine.data.staging import Staging, Transfer, prefetched

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("nbytes", "free", "on_device"),
    [(10 * 10**9, 20 * 10**9, True), (10 * 10**9 + 1, 20 * 10**9, False), (10**15, None, True)],
)
def test_images_stay_where_half_of_the_free_memory_holds_them(
    nbytes: int, free: int | None, on_device: bool
) -> None:
    assert place_images(nbytes, GPU, free=free).on_device == on_device


def test_the_reason_names_what_there_is_and_what_did_not_fit() -> None:
    assert place_images(154 * 10**6, CPU, free=None).reason == "154 MB of images in memory (cpu)"
    fits = place_images(154 * 10**6, GPU, free=80 * 10**9).reason
    assert fits == "154 MB of images on cuda:1, of 80.0 GB free there"
    too_much = place_images(25 * 10**9, GPU, free=40 * 10**9).reason
    assert too_much == (
        "25.0 GB of images in host memory, each batch sent ahead through pinned memory: cuda:1 has 40.0 GB "
        "free, and images may take 50% of it"
    )


@pytest.mark.parametrize("start", [0, 2])
def test_batches_that_are_sent_are_those_of_the_device(start: int) -> None:
    overrides = ("schedule.batch_size=16", "dataset.crop=16", "method.whitening_size=8", "projector.dim=4")
    plan = plan_views(load_experiment(preset="quickstart", overrides=overrides))
    pixels = torch.randint(256, (70, 3, 20, 24), generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(torch.uint8)
    there, sent = (ResidentBatches(pixels, plan, CPU, on_device=choice) for choice in (True, False))
    next(sent.epoch(0))  # one that is broken off has a batch under way
    expected = list(there.epoch(3, start))
    found = list(sent.epoch(3, start))
    assert len(found) == 4 - start
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_what_was_sent_outlives_its_buffer() -> None:
    """There are two buffers; the third batch is written over the first one, whose images are still in use."""
    pixels = torch.arange(60, dtype=torch.uint8).view(5, 3, 2, 2)
    staging = Staging(pixels, CPU, batch=2, pin=False)
    rows = [torch.tensor(pair) for pair in ((0, 1), (2, 3), (4, 0), (3, 2), (1,))]
    sent = [staging.send(each) for each in rows]
    assert all(torch.equal(each.arrive(), pixels[each.rows]) for each in sent)


def test_a_buffer_is_written_again_only_when_its_copy_is_over() -> None:
    order: list[str] = []

    class Event:
        def __init__(self, name: str) -> None:
            self.name = name

        def synchronize(self) -> None:
            order.append(self.name)

    staging = Staging(torch.zeros(4, 3, 2, 2, dtype=torch.uint8), CPU, batch=1, pin=False)
    for number in range(4):
        before = len(order)
        staging.send(torch.tensor([0]))
        assert order[before:] == ([f"copy {number - 2}"] if number >= 2 else [])
        staging._copied[number % 2] = Event(f"copy {number}")  # type: ignore[call-overload]


def test_each_batch_is_used_when_the_copy_of_the_next_has_begun() -> None:
    order: list[str] = []

    def send(rows: Tensor) -> Transfer:
        order.append(f"send {int(rows)}")
        return Transfer(rows, rows, None)

    order.extend(f"use {int(sent.rows)}" for sent in prefetched(map(torch.tensor, range(3)), send))
    assert order == ["send 0", "send 1", "use 0", "send 2", "use 1", "use 2"]
    assert list(itertools.islice(prefetched([], send), 1)) == []


def test_the_reason_for_workers_names_what_did_not_fit(
    tmp_path: Path, progress: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = (
        "schedule.batch_size=2",
        "compute.workers=0",
        "method={name: simclr}",
        f"dataset={{name: folder, root: {tmp_path}}}",
    )
    experiment = load_experiment(preset="quickstart", overrides=overrides)

    def reason(*sizes: tuple[int, int]) -> str:
        paths = [str(tmp_path / f"{number}.png") for number, _ in enumerate(sizes)]
        for path, shape in zip(paths, sizes, strict=True):
            Image.new("RGB", shape).save(path)
        images = images_from_files(
            paths, name="folder", split="train", labels=None, classes=(), damaged=STOP, progress=progress
        )
        return build_batches(images, experiment, CPU).reason

    assert reason((4, 4), (4, 5)) == (
        "images are read from files, for they differ in size (4 x 4 and 4 x 5 pixels among others); "
        "0 processes"
    )
    assert reason((4, 4), (4, 4)) == "96 B of images in memory (cpu)"
    monkeypatch.setattr(files, "MEMORY_BYTES", 95)
    assert reason((4, 4), (4, 4)) == (
        "images are read from files, for 2 images of the size of the first (4 x 4) would need 96 B of "
        "memory, and 95 B is the most; 0 processes"
    )
