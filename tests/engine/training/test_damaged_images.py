"""Images that cannot be read: named, then repaired, removed or passed over, and the run continues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from events import read_log
from PIL import Image

from wmse_tui.cli.run_report import run_report
from wmse_tui.engine.random import epoch_order
from wmse_tui.engine.training.checkpoints import read_checkpoint
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Attempt, Damaged, DamagedFile, Error, Evaluation, Notice
from wmse_tui.runs.process.rebind import rebind_run
from wmse_tui.runs.state.watch import view_run

MakeRun = Callable[..., RunDirectory]
LOADERS = {
    "files, in this process": ("compute.loader=workers", "compute.workers=0"),
    "files, in workers": ("compute.loader=workers", "compute.workers=2"),
    "files, decoded as JPEGs": ("compute.loader=jpeg",),
    "in memory": ("compute.loader=batched",),
}


def draw_images(
    folder: Path, each: int, *, odd: bool, classes: tuple[str, ...] = ("ant", "bee", "cat")
) -> None:
    """Small photographs in class folders; `odd`: the first is larger, so that they stay in files."""
    draw = np.random.default_rng(each)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        first = number * each if len({*classes}) == 1 else 0
        for index in range(first, first + each):
            side = 28 if odd and number + index == 0 else 20
            pixels = draw.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index:02}.jpg")


def damage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def options(images: Path, *more: str) -> tuple[str, ...]:
    return (
        "dataset.name=folder",
        f"dataset.root={images}",
        "dataset.eval_crop=16",
        "dataset.train_images=null",
        "dataset.test_images=null",
        "schedule.epochs=2",
        "checkpoint.every_minutes=0.0001",
        *more,
    )


def events(run: RunDirectory, kind: type[Any]) -> list[Any]:
    return [record.event for record in read_log(run.events) if isinstance(record.event, kind)]


def train_longer(run: RunDirectory) -> None:
    text = run.config.read_text(encoding="utf-8")
    run.config.write_text(text.replace("epochs: 2\n", "epochs: 3\n"), encoding="utf-8")


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = read_checkpoint(run.checkpoints / "final.pt")["method"]
    return found


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images without labels, so that nothing needs all of them before the first step."""
    draw_images(tmp_path / "images", 12, odd=True, classes=("all",) * 3)
    return tmp_path / "images"


@pytest.fixture
def late(images: Path) -> list[Path]:
    """Images that the first epoch does not need, nor finding out that sizes differ."""
    order = epoch_order(36, seed=7, epoch=0)
    return [images / "all" / f"{index:02}.jpg" for index in sorted(order[32:].tolist()) if index > 1]


@pytest.fixture
def stopped(make_run: MakeRun, images: Path, late: list[Path]) -> RunDirectory:
    """A run that a damaged image, the first of `late`, has ended after its first checkpoint."""
    run = make_run(*options(images, "compute.workers=0"))
    damage(late[0])
    assert run_session(run.path) == 1
    (error,) = events(run, Error)
    assert (error.code, error.stage, error.title) == ("E_DATA", "training", "an image cannot be read")
    assert str(late[0]) in error.detail
    assert error.files == (f"root/all/{late[0].name}",)
    assert list(run.checkpoints.glob("step-*.pt"))
    return run


@pytest.mark.parametrize("loader", LOADERS)
def test_damaged_images_are_passed_over_and_counted(make_run: MakeRun, tmp_path: Path, loader: str) -> None:
    images = tmp_path / "images"
    draw_images(images / "train", 12, odd=loader != "in memory")
    draw_images(images / "test", 4, odd=loader != "in memory")
    cut = [images / "train/bee/03.jpg", images / "train/cat/07.jpg", images / "test/ant/02.jpg"]
    for path in cut:
        damage(path)
    (images / "train/ant/05.jpg").write_bytes(b"")
    skip = ("dataset.on_damaged=skip", "dataset.damaged_limit=0.1", *LOADERS[loader])
    run = make_run(*options(images, *skip))
    assert run_session(run.path) == 0
    assert not events(run, Error)
    last = events(run, Damaged)[-1]
    assert (last.count, last.images) == (4, 48)
    named = {file.name: file.reason for event in events(run, Damaged) for file in event.files}
    assert sorted(named) == [
        "root/test/ant/02.jpg",
        "root/train/ant/05.jpg",
        "root/train/bee/03.jpg",
        "root/train/cat/07.jpg",
    ]
    assert named["root/train/ant/05.jpg"] == "empty file"
    listing = (run.artifacts / "damaged-images.txt").read_text(encoding="utf-8").splitlines()
    assert {line.split("\t")[0] for line in listing} == {*map(str, cut), str(images / "train/ant/05.jpg")}
    final = events(run, Evaluation)[-1]
    assert (final.train_split, final.test_split) == ("train (33)", "test (11)")
    report = run_report(view_run(run))
    assert "damaged     4 of 48 images passed over: root/" in report
    assert str(run.artifacts / "damaged-images.txt") in report


def test_passing_over_changes_nothing_but_the_image_itself(make_run: MakeRun, images: Path) -> None:
    """The order, the labels and the views of all others are counted by their index, which stays."""
    undisturbed = make_run(*options(images, "compute.workers=0"), name="undisturbed")
    assert run_session(undisturbed.path) == 0
    skipping = make_run(*options(images, "compute.workers=0", "dataset.on_damaged=skip"), name="skipping")
    assert run_session(skipping.path) == 0
    assert not events(skipping, Damaged)
    assert all(torch.equal(weights(undisturbed)[name], value) for name, value in weights(skipping).items())


@pytest.mark.parametrize("repair", ["removed", "skipped"])
def test_the_advice_about_a_damaged_image_lets_the_run_continue(
    make_run: MakeRun, images: Path, late: list[Path], stopped: RunDirectory, repair: str
) -> None:
    """Either way the run ends with the bits of one that passed the image over from the start."""
    (error,) = events(stopped, Error)
    assert error.next == (
        f"put an intact copy in the place of {late[0]}, or remove it, then resume the run",
        "or pass over such images: --set dataset.on_damaged=skip",
    )
    whole = make_run(*options(images, "dataset.on_damaged=skip", "compute.workers=0"), name="whole")
    assert run_session(whole.path) == 0
    if repair == "removed":
        late[0].unlink()
    else:
        rebind_run(stopped, [error.next[1].rpartition("--set ")[2]])
    assert run_session(stopped.path) == 0
    assert events(stopped, Attempt)[-1].resume_step > 0
    last = events(stopped, Damaged)[-1]
    reason = "removed after an earlier attempt named it" if repair == "removed" else "Truncated File Read"
    assert (last.count, last.files) == (1, (DamagedFile(error.files[0], reason),))
    assert all(torch.equal(weights(whole)[name], value) for name, value in weights(stopped).items())


def test_an_intact_copy_in_its_place_lets_the_run_continue(
    images: Path, late: list[Path], stopped: RunDirectory
) -> None:
    Image.new("RGB", (20, 20), (9, 9, 9)).save(late[0])
    assert run_session(stopped.path) == 0
    assert not events(stopped, Damaged)
    notices = [event.text for event in events(stopped, Notice)]
    assert f"named as damaged by an earlier attempt, and read as they are now: {late[0]}" in notices
    Image.new("RGB", (20, 20), (9, 9, 9)).save(late[1])  # no attempt has named this one
    train_longer(stopped)
    assert run_session(stopped.path) == 1
    assert events(stopped, Error)[-1].title == "the images are not those of the checkpoint"
    assert "1 of 36 sampled images have other contents" in events(stopped, Error)[-1].detail


def test_one_image_after_the_other_is_removed(make_run: MakeRun, images: Path, late: list[Path]) -> None:
    """What an earlier attempt named stays known to all that follow."""
    run = make_run(*options(images, "compute.workers=0"))
    for path in late[:3]:
        damage(path)
    for _ in late[:3]:
        assert run_session(run.path) == 1
        Path(events(run, Error)[-1].detail.partition(": ")[0]).unlink()
    assert run_session(run.path) == 0
    assert events(run, Damaged)[-1].count == 3


def test_a_removed_image_is_known_where_the_others_were_moved(
    images: Path, late: list[Path], stopped: RunDirectory
) -> None:
    late[0].unlink()
    moved = images.rename(images.with_name("elsewhere"))
    rebind_run(stopped, [f"dataset.root={moved}"])
    assert run_session(stopped.path) == 0
    assert events(stopped, Damaged)[-1].count == 1


def test_an_image_that_no_attempt_has_named_may_not_be_removed(
    late: list[Path], stopped: RunDirectory
) -> None:
    late[0].unlink()
    late[1].unlink()
    assert run_session(stopped.path) == 1
    assert events(stopped, Error)[-1].detail.startswith("36 images then, 35 now")


def test_names_that_are_not_utf8_are_known_again(make_run: MakeRun, images: Path) -> None:
    odd = images / "all" / "50 %\udce9.jpg"
    (images / "all/04.jpg").rename(odd)
    damage(odd)
    run = make_run(*options(images, "dataset.on_damaged=skip", "compute.workers=0"))
    assert run_session(run.path) == 0
    assert events(run, Damaged)[0].files == (DamagedFile("root/all/50 %25%E9.jpg", "Truncated File Read"),)
    odd.unlink()
    train_longer(run)
    assert run_session(run.path) == 0
    assert events(run, Damaged)[-1].files[0].reason == "removed after an earlier attempt named it"


def test_a_file_that_was_damaged_between_two_attempts_is_no_other_image(
    images: Path, late: list[Path], make_run: MakeRun
) -> None:
    """It is named as any damaged image is, and its advice holds; a file that can be read is another image."""
    run = make_run(*options(images, "compute.workers=0"))
    assert run_session(run.path) == 0
    train_longer(run)
    damage(late[0])
    assert run_session(run.path) == 1
    (error,) = events(run, Error)
    assert (error.title, error.files) == ("an image cannot be read", (f"root/all/{late[0].name}",))
    late[0].unlink()
    assert run_session(run.path) == 0


@pytest.mark.parametrize("loader", LOADERS)
def test_above_the_limit_the_run_stops(make_run: MakeRun, tmp_path: Path, loader: str) -> None:
    images = tmp_path / "images"
    draw_images(images / "train", 12, odd=loader != "in memory")
    draw_images(images / "test", 4, odd=loader != "in memory")
    damaged = [images / "train" / "bee" / f"{index:02}.jpg" for index in range(3)]
    for path in damaged:
        damage(path)
    skip = ("dataset.on_damaged=skip", "dataset.damaged_limit=0.06", *LOADERS[loader])
    run = make_run(*options(images, *skip))
    assert run_session(run.path) == 1
    (error,) = events(run, Error)
    assert (error.code, error.title) == ("E_DATA", "too many images cannot be read")
    assert error.detail.startswith("3 of 36 images (train) so far, and dataset.damaged_limit is 0.06: ")
    assert sorted(error.files) == [f"root/train/bee/{index:02}.jpg" for index in range(3)]
    rebind_run(run, [error.next[1].rpartition("--set ")[2]])
    assert run_session(run.path) == 0
