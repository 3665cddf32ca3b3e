"""Loader workers killed by the system, or without space in /dev/shm; only when asked for."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import campaign
import psutil
import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.process.launch import trainer_command
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.watch import view_run

Record = Callable[[str, object], None]
WORKERS = ("compute.loader=workers", "compute.workers=2", "evaluation.every=10000")
SMALL_SHM = 'mount -t tmpfs -o size=2m none /dev/shm && exec "$@"'

pytestmark = [pytest.mark.slow_faults, pytest.mark.timeout(600)]


def make(folder: Path, *overrides: str) -> RunDirectory:
    experiment = load_experiment(preset="quickstart", overrides=(*campaign.TINY, *WORKERS, *overrides))
    return create_run(folder, dump_experiment(experiment), name="workers")


def start(run: RunDirectory, *before: str) -> subprocess.Popen[bytes]:
    with run.trainer_log.open("ab") as log:
        return subprocess.Popen(
            [*before, *trainer_command(run)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )


def failed(run: RunDirectory, process: subprocess.Popen[bytes]) -> RunState:
    assert process.wait(120) == 1, run.trainer_log.read_text()
    state = view_run(run)
    assert state.status == "failed"
    return state


def test_a_killed_worker_is_named_and_the_run_continues_when_resumed(
    tmp_path: Path, record_property: Record
) -> None:
    """As by the kernel when memory is used up: the trainer reports it and leaves no process behind."""
    run = make(tmp_path, "schedule.epochs=300")
    process = start(run)
    try:
        while view_run(run).step < 3:
            assert process.poll() is None, run.trainer_log.read_text()
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        workers[0].kill()
        state = failed(run, process)
    finally:
        process.kill()
        process.wait()
    assert state.error is not None
    assert state.error.code == "E_WORKER"
    assert "resumed from it" in state.error.saved
    assert not [worker for worker in workers if worker.is_running()]
    config = run.config.read_text()
    run.config.write_text(config.replace("epochs: 300", f"epochs: {state.epoch + 2}"))
    assert start(run).wait(120) == 0
    after = view_run(run)
    assert after.setup is not None
    assert after.setup.resume_step > 0
    assert len(after.loss.values()) == after.step
    record_property("tries", 1)


if os.geteuid() == 0:  # only root may mount

    def test_shm_small(tmp_path: Path, record_property: Record) -> None:
        """The system says "No space left on device"; it is not the disk."""
        run = make(tmp_path, "dataset.crop=96", "schedule.batch_size=48", "schedule.epochs=1")
        shell = ("unshare", "-m", "sh", "-c", SMALL_SHM, "sh")
        state = failed(run, start(run, *shell))
        assert state.error is not None
        assert state.error.code == "E_SHM", state.error
        assert "--shm-size=8g" in " ".join(state.error.next)
        record_property("tries", 1)
