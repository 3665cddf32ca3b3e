"""A run continues with the images that it began with, wherever they are, and with no others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from events import read_log
from PIL import Image

from wmse_tui.config.problems import ConfigError
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Error, Notice
from wmse_tui.runs.process.rebind import rebind_run

MakeRun = Callable[..., RunDirectory]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(12):
            pixels = draw.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    return tmp_path / "images"


@pytest.fixture
def run(make_run: MakeRun, images: Path) -> RunDirectory:
    """A run that has trained one epoch of three."""
    run = make_run(
        "dataset.name=folder",
        f"dataset.root={images}",
        "dataset.eval_crop=16",
        "dataset.train_images=null",
        "dataset.test_images=null",
        "schedule.epochs=1",
        "compute.workers=0",
    )
    assert run_session(run.path) == 0
    text = run.config.read_text(encoding="utf-8")
    run.config.write_text(text.replace("epochs: 1\n", "epochs: 2\n"), encoding="utf-8")
    return run


def events(run: RunDirectory, kind: type[Any]) -> list[Any]:
    return [record.event for record in read_log(run.events) if isinstance(record.event, kind)]


def replace_a_class(images: Path) -> None:
    for path in (images / "bee").iterdir():
        Image.new("RGB", (20, 20), (7, 7, 7)).save(path)


def permute_the_labels(images: Path) -> None:
    (images / "ant").rename(images / "x")
    (images / "bee").rename(images / "ant")
    (images / "x").rename(images / "bee")


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (replace_a_class, "sampled images have other contents, the first is "),
        (permute_the_labels, "sampled images have other contents, the first is "),
        (lambda images: (images / "cat").rename(images / "dog"), "files or folders have other names"),
    ],
)
def test_other_images_are_refused_with_the_difference(
    run: RunDirectory, images: Path, change: Callable[[Path], object], difference: str
) -> None:
    change(images)
    assert run_session(run.path) == 1
    (error,) = events(run, Error)
    assert (error.code, error.title) == ("E_CHECKPOINT", "the images are not those of the checkpoint")
    assert difference in error.detail


def test_the_same_images_are_resumed_and_their_fingerprint_is_logged(run: RunDirectory, images: Path) -> None:
    shutil.copytree(images, images.with_name("copy"))
    shutil.rmtree(images)
    images.with_name("copy").rename(images)
    assert run_session(run.path) == 0
    first, second = (event.text for event in events(run, Notice) if event.code == "N_IMAGES")
    assert first == second
    assert first.startswith("images by names, sizes and samples: all without held-out (33) ")


def test_moved_images_are_found_by_the_advice_of_the_error(run: RunDirectory, images: Path) -> None:
    moved = images.rename(images.with_name("elsewhere"))
    assert run_session(run.path) == 1
    (error,) = events(run, Error)
    assert error.next[1] == "if the images were moved: wmse-tui resume RUN --set dataset.root=/where/they/are"
    age = run.config.stat().st_mtime_ns
    rebind_run(run, [f"dataset.root={moved}", "compute.workers=0"])
    assert run.config.stat().st_mtime_ns == age
    assert run_session(run.path) == 0


def test_what_changes_numbers_is_not_given_anew(run: RunDirectory) -> None:
    before = run.config.read_bytes()
    with pytest.raises(ConfigError, match=r"optimizer\.lr: is part of the run, whose numbers it changes"):
        rebind_run(run, ["optimizer.lr=0.5", "compute.device=auto"])
    assert run.config.read_bytes() == before
