"""Signals to every process of a job, at any moment and in any order: saved, and left; only when asked for."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import campaign
import numpy as np
import psutil
import pytest
from PIL import Image

from wmse_tui.engine.training.checkpoints import read_checkpoint, step_checkpoints
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.state.watch import view_run

SEED = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(2**32)))
TRIES = int(os.environ.get("FAULT_TRIES", "40"))
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
TERMINATED = 143

pytestmark = [pytest.mark.slow_faults, pytest.mark.timeout(3600)]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Photographs of two sizes, which loader workers read."""
    draw = np.random.default_rng(0)
    for index in range(96):
        folder = tmp_path / "images" / f"c{index % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        side = 24 if index else 30
        Image.fromarray(draw.integers(0, 256, (side, side, 3), np.uint8)).save(folder / f"{index:02}.jpg")
    return tmp_path / "images"


def follow(images: Path, runs: Path, name: str) -> subprocess.Popen[bytes]:
    """`wmse-tui run --headless` on the images, with two loader workers."""
    options = (
        *(option for option in campaign.TINY if not option.startswith("dataset.")),
        "dataset.name=folder",
        f"dataset.root={images}",
        "dataset.crop=16",
        "dataset.eval_crop=16",
        "dataset.train_images=null",
        "dataset.test_images=null",
        "schedule.epochs=100000",
        "evaluation.every=100000",
        "compute.loader=workers",
        "compute.workers=2",
    )
    words = [word for option in options for word in ("--set", option)]
    arguments = [
        "run",
        "--preset",
        "quickstart",
        "--headless",
        *words,
        "--name",
        name,
        "--runs-dir",
        str(runs),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "wmse_tui", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_signals_to_all(tmp_path: Path, images: Path, record_property: Callable[[str, object], None]) -> None:
    """From the moment at which the run exists: to the command, its trainer and the loader's workers."""
    print(f"again with FAULT_SEED={SEED} FAULT_TRIES={TRIES}")
    draw = random.Random(SEED)
    saved = 0
    for number in range(TRIES):
        run = RunDirectory(tmp_path / "runs" / f"run-{number}")
        command = follow(images, run.path.parent, run.id)
        while not run.lock.exists():
            assert command.poll() is None
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 6) if number % 2 else draw.uniform(0, 1))
        every = [psutil.Process(command.pid), *psutil.Process(command.pid).children(recursive=True)]
        draw.shuffle(every)
        which = draw.choice(SIGNALS)
        for process in every:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(which)
            time.sleep(draw.choice((0, 0, 0.05, 0.3)))
        where = f"{run.path}: try {number}, {which.name} to {len(every)} processes"
        assert command.wait(90) == TERMINATED, where
        assert not [one for one in every if one.is_running() and one.status() != psutil.STATUS_ZOMBIE], where
        if run.config.exists():
            state = view_run(run)
            assert not held(run.lock), where
            assert state.status == "stopped", where
            assert state.exit is not None, where
            checkpoints = step_checkpoints(run.checkpoints)
            step = read_checkpoint(checkpoints[-1])["position"]["step"] if checkpoints else 0
            assert step == state.step == state.exit.step, where
            saved += bool(checkpoints)
        # Else it had not begun to train, and nothing of it is left.
    assert saved
    record_property("tries", TRIES)
