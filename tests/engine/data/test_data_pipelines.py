"""Batches of a run: the same from both pipelines, with any number of workers, from any start."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data import workers as loader_workers
from wmse_tui.engine.data.images import ImageSet, MemoryImages
from wmse_tui.engine.data.patterns import draw_patterns
from wmse_tui.engine.data.pipelines import Batches, build_batches
from wmse_tui.engine.errors import DataError, EngineError
from wmse_tui.runs.process.deferred_signals import STOP_SIGNALS

CPU = torch.device("cpu")


class FromFiles:
    """Images as a folder gives them: of several sizes, one by one, perhaps unreadable."""

    name, split, classes, labels, pixels = "folder", "train", (), None, None

    def __init__(self, broken: int | None = None) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return 20

    def image(self, index: int) -> Image.Image:
        if index == self.broken:
            raise DataError("an image cannot be read", f"img{index}.png", next=("remove it",))
        pixels, _ = draw_patterns(torch.tensor([index]), split_seed=0, size=40 + index)
        return Image.fromarray(pixels[0].permute(1, 2, 0).contiguous().numpy()).crop((0, 3, 30, 40))

    def take(self, indices: Tensor) -> ImageSet:
        raise AssertionError("a loader takes no subset")


def experiment(**sections: dict[str, object]) -> Experiment:
    settings: dict[str, object] = {
        "dataset": {"name": "patterns", "crop": 32},
        "schedule": {"kind": "constant", "batch_size": 8},
        "method": {"name": "w_mse", "whitening_size": 8},
        "projector": {"dim": 4},
    }
    return Experiment.model_validate(settings | sections)


@pytest.fixture
def patterns() -> MemoryImages:
    pixels, labels = draw_patterns(20, split_seed=0)
    return MemoryImages(name="patterns", split="train", pixels=pixels, labels=labels)


def batches(images: ImageSet, **compute: object) -> Batches:
    return build_batches(images, experiment(compute=compute), CPU)


def all_of(iterator: Iterator[Tensor]) -> Tensor:
    return torch.stack(list(iterator))


def test_images_in_memory_use_the_batched_pipeline(patterns: MemoryImages) -> None:
    made = batches(patterns)
    assert (made.kind, made.steps_per_epoch, made.images, made.split) == ("batched", 2, 20, "train")
    assert made.reason == "61.4 kB of images in memory (cpu)"
    views = all_of(made.epoch(0))
    assert views.shape == (2, 2, 8, 3, 32, 32)
    assert views.dtype == torch.float32


def test_files_use_the_workers() -> None:
    made = batches(FromFiles(), workers=0)
    assert (made.kind, made.reason) == ("workers", "images are read from files; 0 processes")
    assert all_of(made.epoch(0)).shape == (2, 2, 8, 3, 32, 32)


def test_both_pipelines_show_the_same_views(patterns: MemoryImages) -> None:
    """Image by image: their difference is the rounding to 8 bits of each of Pillow's steps."""
    fast = batches(patterns, loader="batched")
    slow = batches(patterns, loader="workers", workers=0)
    grey_levels = 255 * 0.25  # of the normalised views: the set's standard deviation is 0.25
    error = grey_levels * (all_of(fast.epoch(4)) - all_of(slow.epoch(4))).abs()
    assert error.mean() < 2
    assert error.mean((-3, -2, -1)).max() < 6
    other_epoch = grey_levels * (all_of(fast.epoch(5)) - all_of(slow.epoch(4))).abs()
    assert other_epoch.mean((-3, -2, -1)).min() > 6


def test_the_number_of_workers_changes_nothing(patterns: MemoryImages) -> None:
    none = batches(patterns, loader="workers", workers=0)
    two = batches(patterns, loader="workers", workers=2)
    for epoch in (0, 1):
        assert torch.equal(all_of(two.epoch(epoch)), all_of(none.epoch(epoch)))
    assert len(multiprocessing.active_children()) == 2, "the workers stay for the next epoch"
    two.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("compute", [{"loader": "batched"}, {"loader": "workers", "workers": 0}])
def test_an_epoch_can_start_anywhere(patterns: MemoryImages, compute: dict[str, object]) -> None:
    whole = all_of(batches(patterns, **compute).epoch(3))
    rest = all_of(batches(patterns, **compute).epoch(3, start_batch=1))
    assert torch.equal(rest, whole[1:])
    assert list(batches(patterns, **compute).epoch(3, start_batch=2)) == []


def test_an_interrupted_epoch_does_not_affect_the_next(patterns: MemoryImages) -> None:
    made = batches(patterns, loader="workers", workers=1)
    next(made.epoch(0))
    again = all_of(made.epoch(1))
    made.close()
    assert torch.equal(again, all_of(batches(patterns, loader="workers", workers=0).epoch(1)))


def test_epochs_seeds_and_views_differ(patterns: MemoryImages) -> None:
    made = batches(patterns)
    first, second = all_of(made.epoch(0)), all_of(made.epoch(1))
    other_seed = build_batches(patterns, experiment().model_copy(update={"seed": 1}), CPU)
    assert (first != second).double().mean() > 0.9
    assert (first != all_of(other_seed.epoch(0))).double().mean() > 0.9
    assert (first[:, 0] != first[:, 1]).double().mean() > 0.9


def test_an_epoch_has_each_image_at_most_once(patterns: MemoryImages) -> None:
    plain: dict[str, object] = {
        "brightness": 0,
        "contrast": 0,
        "saturation": 0,
        "hue": 0,
        "grayscale_p": 0,
        "flip_p": 0,
    }
    whole: dict[str, object] = {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0)}
    made = build_batches(patterns, experiment(augmentation=plain | whole), CPU)
    shown = ((all_of(made.epoch(0))[:, 0] * 0.25 + 0.5) * 255).round().to(torch.uint8).flatten(0, 1)
    matches = (shown[:, None] == patterns.pixels[None]).flatten(2).all(2)
    assert matches.sum(1).tolist() == [1] * 16
    assert matches.sum(0).max() == 1


def test_more_views_keep_the_first_ones(patterns: MemoryImages) -> None:
    four = build_batches(patterns, experiment(augmentation={"views": 4}), CPU)
    assert torch.equal(all_of(four.epoch(0))[:, :2], all_of(batches(patterns).epoch(0)))


def test_batched_without_pixels_is_refused_with_reason() -> None:
    with pytest.raises(EngineError) as refusal:
        batches(FromFiles(), loader="batched")
    assert refusal.value.title == "compute.loader=batched needs images of one size in memory"
    assert refusal.value.detail == "the images of folder train are read from files as they are needed"
    assert refusal.value.next[0] == "--set compute.loader=workers"


def test_too_few_images_for_a_batch_are_refused(patterns: MemoryImages) -> None:
    with pytest.raises(DataError) as refusal:
        batches(patterns.take(torch.arange(7)))
    assert (
        refusal.value.detail == "patterns (train) has 7, schedule.batch_size is 8 and method.whitening_size 8"
    )
    assert refusal.value.next == ("train on more images",)  # no batch of seven can be whitened by eights

    with pytest.raises(DataError) as refusal:
        build_batches(
            patterns.take(torch.arange(9)),
            experiment(schedule={"kind": "constant", "batch_size": 16}),
            CPU,
        )
    assert refusal.value.detail == "patterns (train) has 9, schedule.batch_size is 16"
    assert refusal.value.next[0] == "at most 9: --set schedule.batch_size=..."


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_an_error_with_its_reason(workers: int) -> None:
    made = batches(FromFiles(broken=5), workers=workers)
    three_epochs = itertools.chain.from_iterable(
        made.epoch(epoch) for epoch in range(3)
    )  # each leaves out four
    with pytest.raises(DataError) as failure:
        list(three_epochs)
    made.close()
    assert (failure.value.title, failure.value.detail) == ("an image cannot be read", "img5.png")
    assert failure.value.next == ("remove it",)


def test_closed_batches_raise() -> None:
    made = batches(FromFiles(), workers=0)
    made.close()
    with pytest.raises(ValueError, match="these batches are closed"):
        next(made.epoch(0))


@pytest.mark.parametrize("usable", [True, False])
def test_a_missing_shm_travels_with_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usable: bool
) -> None:
    def refuse(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr("torch.utils.data.DataLoader.__iter__", refuse)
    monkeypatch.setattr(loader_workers, "SHM", str(tmp_path if usable else tmp_path / "missing"))
    made = batches(FromFiles(), workers=1)
    with pytest.raises(FileNotFoundError) as caught:
        next(made.epoch(0))
    made.close()
    assert caught.value.filename == (None if usable else str(tmp_path / "missing"))


TRAINER = """
    import multiprocessing, signal, sys, time, torch
    sys.path.insert(0, {folder!r})
    from test_data_pipelines import FromFiles, batches
    signal.signal(signal.SIGTERM, lambda *_: print("told to stop", flush=True))
    made = batches(FromFiles(), workers=2)
    views = made.epoch(0)
    next(views)
    print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)
    time.sleep(60)
"""


def test_workers_die_with_a_killed_trainer() -> None:
    code = textwrap.dedent(TRAINER).format(folder=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        workers = [int(pid) for pid in trainer.stdout.readline().split()]
        try:
            assert len(workers) == 2
            status = {pid: Path(f"/proc/{pid}/status").read_text() for pid in workers}
        finally:
            trainer.send_signal(signal.SIGKILL)
        trainer.wait()
    for pid in workers:
        fields = dict(line.split(":\t", 1) for line in status[pid].splitlines() if ":\t" in line)
        caught, ignored = int(fields["SigCgt"], 16), int(fields["SigIgn"], 16)
        assert not caught & 1 << (signal.SIGTERM - 1)
        assert all(ignored & 1 << (number - 1) for number in STOP_SIGNALS)
        assert int(fields["SigBlk"], 16) == 0
    deadline = time.monotonic() + 60
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its trainer"
        time.sleep(0.05)


HANGING = """
    import sys, time
    sys.path.insert(0, {folder!r})
    from test_data_pipelines import FromFiles, batches
    from wmse_tui.engine.data.reference import ReferenceViews
    read, calls = ReferenceViews.__getitem__, []
    def hang(self, key):
        calls.append(key)
        if len(calls) > 1:
            time.sleep(600)
        return read(self, key)
    ReferenceViews.__getitem__ = hang
    made = batches(FromFiles(), workers=1)
    views = made.epoch(0)
    next(views)
"""


def test_a_worker_that_hangs_does_not_keep_the_trainer_from_its_end() -> None:
    """It ignores SIGTERM, so it is killed."""
    code = textwrap.dedent(HANGING).format(folder=str(Path(__file__).parent))
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
