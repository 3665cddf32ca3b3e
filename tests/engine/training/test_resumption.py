"""A run that is killed anywhere and resumed ends with the weights of one that was not, bit for bit."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from events import checkpoint
from forked_trainers import ForkedTrainer, start_trainer
from PIL import Image

from wmse_tui.config import methods
from wmse_tui.engine.stop_signals import StopSignals
from wmse_tui.engine.training.checkpoints import read_checkpoint, step_checkpoints
from wmse_tui.engine.training.location import RunLocation
from wmse_tui.engine.training.loop import TrainingLoop
from wmse_tui.engine.training.requests import StopRequested
from wmse_tui.engine.training.session import Session, run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Attempt, Control, Epoch, Exit, Notice, Steps
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.state.watch import RunWatcher

MakeRun = Callable[..., RunDirectory]
Process = subprocess.Popen[bytes] | ForkedTrainer
NO_METHODS = ("__init__", "slices")
METHODS = {
    "w_mse": (),
    "simclr": ("method.name=simclr",),
    "byol": ("method.name=byol", "method.predictor_hidden=16"),
    "cw_rgp": ("method={name: cw_rgp, whitening_size: 8, groups: 2}", "projector.dim=32"),
    "byol, whitened": (
        "method.name=byol",
        "method.predictor_hidden=16",
        "backbone.whitening=zca",
        "backbone.whitening_groups=16",
    ),
    "shuffled_dbn": ("method={name: shuffled_dbn, groups: 2}", "projector.dim=8"),
    "simsiam": ("method.name=simsiam", "method.predictor_hidden=16"),
    "barlow_twins": (
        "method.name=barlow_twins",
        "optimizer={name: lars, lr: 0.3, bias_lr: 0.01, trust: 0.02, clip: true}",
    ),
    **{name: (f"method={{name: {name}}}",) for name in ("intl", "zero_cl", "vicreg", "vibcreg", "s2r2")},
}
KILLED = [
    name if name in ("w_mse", "byol, whitened") else pytest.param(name, marks=pytest.mark.slow_faults)
    for name in METHODS
]
"""A death leaves the same of every method; the two have what there is of state."""


def trained(run: RunDirectory) -> int:
    """Train in a process of its own until it ends by itself; its exit code."""
    return start_trainer(run).wait(120)


def events_of(run: RunDirectory, kind: type[Any]) -> list[Any]:
    return [record.event for record in EventReader(run.events).poll() if isinstance(record.event, kind)]


def steps_seen(run: RunDirectory, attempt: int = 1) -> int:
    """The last step reported, by this attempt or a later one."""
    reported = (record for record in EventReader(run.events).poll() if record.attempt >= attempt)
    steps = (record.event for record in reported if isinstance(record.event, Steps))
    return max((event.first + len(event.loss) - 1 for event in steps), default=0)


def wait_until(condition: Callable[[], bool], process: Process) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the trainer ended before it was hit"
        assert time.monotonic() < end, "the trainer never came so far"
        time.sleep(0.03)


def final_state(run: RunDirectory) -> dict[str, Any]:
    return read_checkpoint(run.checkpoints / "final.pt")


def losses(run: RunDirectory) -> list[float | None]:
    """The loss series as a viewer has it after folding the log."""
    losses: dict[int, float | None] = {}
    for record in EventReader(run.events).poll():
        if isinstance(record.event, Attempt):
            losses = {step: loss for step, loss in losses.items() if step <= record.event.resume_step}
        elif isinstance(record.event, Steps):
            losses.update(enumerate(record.event.loss, start=record.event.first))
    assert sorted(losses) == list(range(1, len(losses) + 1))
    return [losses[step] for step in sorted(losses)]


def assert_same_bits(ours: Any, theirs: Any, where: str = "") -> None:
    assert type(ours) is type(theirs), where
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs), where
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), where
        for key in ours:
            assert_same_bits(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs), where
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_same_bits(one, other, f"{where}[{index}]")
    else:
        assert ours == theirs, where


@pytest.mark.slow
@pytest.mark.parametrize("method", KILLED)
def test_killed_and_resumed_equals_undisturbed(make_run: MakeRun, method: str) -> None:
    """kill -9 at random steps, a checkpoint about every step, until the run completes."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"kill moments are drawn from seed {seed}")
    moments = random.Random(seed)
    options = (*METHODS[method], "checkpoint.every_minutes=0.001")
    undisturbed, killed = make_run(*options, name="undisturbed"), make_run(*options, name="killed")
    assert run_session(undisturbed.path) == 0

    for number, at in enumerate(sorted(moments.sample(range(1, 12), 2)), start=1):
        process = start_trainer(killed)
        # Steps are reported just before their checkpoint is published, and the first kill may come late.
        wait_until(lambda: bool(step_checkpoints(killed.checkpoints)), process)
        wait_until(lambda n=number, at=at: steps_seen(killed, n) >= at, process)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    assert run_session(killed.path) == 0

    ours, theirs = final_state(killed), final_state(undisturbed)
    for part in ("method", "optimizer", "best"):
        assert_same_bits(ours[part], theirs[part], part)
    assert losses(killed) == losses(undisturbed)
    assert [a.resume_step > 0 for a in events_of(killed, Attempt)] == [False, True, True]
    assert all(attempt.exact for attempt in events_of(killed, Attempt))


@pytest.fixture
def stopped_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunDirectory, int], None]:
    """Trains a run in this process until it is stopped at the end of a step."""
    at_boundary = TrainingLoop._at_boundary

    def train(run: RunDirectory, step: int) -> None:
        def stop_there(trainer: TrainingLoop) -> None:
            at_boundary(trainer)
            if trainer.position.step == step:
                raise StopRequested("here")

        with monkeypatch.context() as patch:
            patch.setattr(TrainingLoop, "_at_boundary", stop_there)
            assert run_session(run.path) == 4

    return train


def test_every_method_is_here() -> None:
    assert {name.split(",")[0] for name in METHODS} == {
        path.stem for path in Path(methods.__file__).parent.glob("*.py") if path.stem not in NO_METHODS
    }


@pytest.mark.parametrize("method", METHODS)
def test_stopped_in_mid_epoch_and_resumed_equals_undisturbed(
    make_run: MakeRun, stopped_at: Callable[[RunDirectory, int], None], method: str
) -> None:
    options = (*METHODS[method], "schedule.epochs=2", "dataset.train_images=48", "evaluation.every=2")
    undisturbed, stopped = make_run(*options, name="undisturbed"), make_run(*options, name="stopped")
    assert run_session(undisturbed.path) == 0
    stopped_at(stopped, 2)
    assert run_session(stopped.path) == 0
    for part in ("method", "optimizer", "best"):
        assert_same_bits(final_state(stopped)[part], final_state(undisturbed)[part], part)
    assert losses(stopped) == losses(undisturbed)


@pytest.mark.slow_faults
def test_killed_and_resumed_with_another_number_of_workers_equals_undisturbed(make_run: MakeRun) -> None:
    """The pipeline of worker processes: one, then two, beside a run without any."""
    options = ("evaluation.every=3", "compute.loader=workers", "checkpoint.every_minutes=0.001")
    undisturbed = make_run(*options, "compute.workers=0", name="undisturbed")
    killed = make_run(*options, "compute.workers=1", name="killed")
    assert run_session(undisturbed.path) == 0
    process = start_trainer(killed)
    wait_until(lambda: bool(step_checkpoints(killed.checkpoints)), process)
    process.kill()
    process.wait()
    config = killed.config.read_text()
    killed.config.write_text(config.replace("workers: 1", "workers: 2"))
    assert killed.config.read_text() != config
    assert trained(killed) == 0, killed.trainer_log.read_text()
    for part in ("method", "optimizer", "best"):
        assert_same_bits(final_state(killed)[part], final_state(undisturbed)[part], part)
    assert losses(killed) == losses(undisturbed)


def test_of_files_that_the_device_decodes(
    make_run: MakeRun, stopped_at: Callable[[RunDirectory, int], None], tmp_path: Path
) -> None:
    """Photographs of several sizes, decoded and augmented in bulk; stopped in the second epoch."""
    for number in range(32):
        levels = np.random.default_rng(number).integers(0, 256, (20 + number % 3, 24, 3), np.uint8)
        Image.fromarray(levels).save(tmp_path / f"{number:02}.jpg")
    options = (
        f"dataset={{name: folder, root: {tmp_path}, train_images: null, test_images: null}}",
        "compute.loader=jpeg",
        "schedule.epochs=2",
    )
    undisturbed, stopped = make_run(*options, name="undisturbed"), make_run(*options, name="stopped")
    assert run_session(undisturbed.path) == 0
    stopped_at(stopped, 3)
    assert run_session(stopped.path) == 0
    assert [attempt.loader for attempt in events_of(stopped, Attempt)] == ["jpeg", "jpeg"]
    assert [attempt.resume_step for attempt in events_of(stopped, Attempt)] == [0, 3]
    assert [len(losses(run)) for run in (stopped, undisturbed)] == [4, 4]
    assert losses(stopped) == losses(undisturbed)
    for part in ("method", "optimizer"):
        assert_same_bits(final_state(stopped)[part], final_state(undisturbed)[part], part)


def test_stopped_after_any_step_and_resumed_equals_undisturbed(
    make_run: MakeRun, stopped_at: Callable[[RunDirectory, int], None]
) -> None:
    """Every boundary of two epochs in turn, the last of an epoch among them."""
    options = ("schedule.epochs=2", "dataset.train_images=48")
    undisturbed = make_run(*options, name="undisturbed")
    assert run_session(undisturbed.path) == 0
    expected = final_state(undisturbed)
    for step in range(1, 7):
        run = make_run(*options, name=f"stopped-{step}")
        stopped_at(run, step)
        assert run_session(run.path) == 0
        resumed = final_state(run)
        for part in ("method", "optimizer", "best"):
            assert_same_bits(resumed[part], expected[part], f"{step}: {part}")
        assert losses(run) == losses(undisturbed)
        view = RunWatcher(run).poll()
        assert [(e.epoch, e.loss) for e in events_of(run, Epoch)][-2:] == [
            (e.epoch, e.loss) for e in events_of(undisturbed, Epoch)
        ]
        assert [evaluation.epoch for evaluation in view.evaluations] == [0, 1, 2]


def test_a_stop_request_saves_and_the_next_attempt_continues(make_run: MakeRun) -> None:
    # Long enough that the trainer, which polls twice a second, is not done before it polls.
    longer = "schedule.epochs=12"
    undisturbed, stopped = make_run(longer, name="undisturbed"), make_run(longer, name="stopped")
    assert run_session(undisturbed.path) == 0

    process = start_trainer(stopped)
    wait_until(lambda: steps_seen(stopped) >= 1, process)
    request_id = request(stopped, "stop")
    assert process.wait(60) == 4
    answer = events_of(stopped, Control)[-1]
    assert (answer.id, answer.outcome) == (request_id, "accepted")
    assert events_of(stopped, Exit)[-1].status == "stopped"
    saved = read_checkpoint(step_checkpoints(stopped.checkpoints)[-1])["position"]["step"]
    assert 0 < saved < 72

    assert run_session(stopped.path) == 0
    assert events_of(stopped, Attempt)[-1].resume_step == saved
    assert_same_bits(final_state(stopped)["method"], final_state(undisturbed)["method"])
    view = RunWatcher(stopped).poll()
    assert [row.epoch for row in view.epoch_rows] == list(range(1, 13))
    assert [evaluation.epoch for evaluation in view.evaluations] == list(range(13))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_saves_and_leaves(make_run: MakeRun, number: signal.Signals) -> None:
    run = make_run("schedule.epochs=400")
    process = start_trainer(run)
    wait_until(lambda: steps_seen(run) >= 1, process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(number)
    assert process.wait(60) == 4
    assert step_checkpoints(run.checkpoints)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_to_every_process_saves_and_leaves(make_run: MakeRun, number: signal.Signals) -> None:
    """As a scheduler sends it at a time limit: the loader's workers first, or as a process group."""
    run = make_run("schedule.epochs=400", "compute.loader=workers", "compute.workers=2")
    process = start_trainer(run)
    wait_until(lambda: steps_seen(run) >= 1, process)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) == 2
    for worker in workers:
        worker.send_signal(number)
    time.sleep(0.3)
    os.killpg(process.pid, number)
    assert process.wait(60) == 4, run.trainer_log.read_text()
    assert events_of(run, Exit)[-1].status == "stopped"
    assert step_checkpoints(run.checkpoints)
    assert not [worker for worker in workers if worker.is_running()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_in_the_first_moment_of_a_trainer_stops_it_in_order(
    make_run: MakeRun, number: signal.Signals
) -> None:
    run = make_run("schedule.epochs=400")
    with run.trainer_log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "wmse_tui.engine", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_until(lambda: catches(process.pid, number), process)
    assert not run.events.exists(), "torch is not imported yet"
    process.send_signal(number)
    assert process.wait(60) == 4, run.trainer_log.read_text()
    assert events_of(run, Exit)[-1].status == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_before_a_launched_trainer_runs_python_stops_it_in_order(
    make_run: MakeRun, number: signal.Signals
) -> None:
    run = make_run("schedule.epochs=400")
    process = launch_trainer(run)
    process.send_signal(number)
    assert process.wait(60) == 4, run.trainer_log.read_text()
    assert events_of(run, Exit)[-1].status == "stopped"


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & 1 << (number - 1))


def test_a_run_that_is_moved_while_it_trains_is_found(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("schedule.epochs=400")
    process = start_trainer(run)
    wait_until(lambda: steps_seen(run) >= 1, process)
    moved = RunDirectory(run.path.rename(tmp_path / "moved"))
    wait_until(lambda: any(notice.code == "N_MOVED" for notice in events_of(moved, Notice)), process)
    assert RunWatcher(moved).poll().status == "running"
    request(moved, "stop")
    assert process.wait(60) == 4
    assert step_checkpoints(moved.checkpoints)
    assert not run.path.exists()


def test_nothing_is_claimed_of_checkpoints_that_cannot_be_read(make_run: MakeRun, tmp_path: Path) -> None:
    """As when the directory is moved to another disk: the trainer's own is gone."""
    run = make_run("schedule.epochs=400", "checkpoint.every_minutes=0.001")
    process = start_trainer(run)
    wait_until(lambda: steps_seen(run) >= 1, process)
    with run.events.open() as log:
        process.send_signal(signal.SIGSTOP)  # so that it meets no half of a removal
        shutil.rmtree(run.path)
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 1
        saved = [json.loads(line)["saved"] for line in log if '"saved"' in line]
    assert saved == [f"unknown: {run.checkpoints} cannot be read (No such file or directory)"]


def test_a_folder_that_lost_its_checkpoints_is_not_called_a_run_without(make_run: MakeRun) -> None:
    """As in the middle of a removal, or of a move to another disk."""
    run = make_run()
    with contextlib.closing(RunLocation(run)) as location, contextlib.closing(EventWriter(run.events)) as log:
        log.begin_attempt()
        session = Session(location, log, StopSignals())
        assert session.saved() == "nothing yet: the run had no checkpoint"
        session.write(checkpoint(4, "step-00000004.pt"))
        assert session.saved() == f"unknown: {run.checkpoints} has none of the checkpoints that were saved"


def test_a_second_trainer_is_refused_and_the_first_unharmed(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=400")
    first = start_trainer(run)
    wait_until(lambda: steps_seen(run) >= 1, first)
    assert trained(run) == 73
    assert "is being trained already" in run.trainer_log.read_text()
    before = steps_seen(run)
    wait_until(lambda: steps_seen(run) > before, first)
    request(run, "stop")
    assert first.wait(60) == 4


def test_a_damaged_newest_checkpoint_is_reported_and_skipped(make_run: MakeRun) -> None:
    undisturbed, damaged = (
        make_run(name="undisturbed"),
        make_run("checkpoint.every_minutes=0.001", name="damaged"),
    )
    assert run_session(undisturbed.path) == 0
    process = start_trainer(damaged)
    wait_until(lambda: len(step_checkpoints(damaged.checkpoints)) >= 2, process)
    request(damaged, "stop")
    assert process.wait(60) == 4
    older, newest = step_checkpoints(damaged.checkpoints)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)

    assert run_session(damaged.path) == 0
    assert [n.code for n in events_of(damaged, Notice) if n.level == "warning"] == [
        "E_CHECKPOINT",
        "N_LOST_WORK",
    ]
    assert events_of(damaged, Attempt)[-1].resume_step == int(older.stem.removeprefix("step-"))
    assert_same_bits(final_state(damaged)["method"], final_state(undisturbed)["method"])


def test_requests_are_obeyed_and_answered(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("schedule.epochs=400", "evaluation.every=1000")
    stale = request(run, "stop")  # of an earlier time: must not end this attempt
    process = start_trainer(run)
    wait_until(lambda: steps_seen(run) >= 1, process)

    def answers(identity: str) -> list[tuple[str, str]]:
        return [(c.command, c.outcome) for c in events_of(run, Control) if c.id == identity]

    assert answers(stale) == [("stop", "refused")]
    for command, last in (("checkpoint", "done"), ("evaluate", "done"), ("pause", "accepted")):
        request_id = request(run, command)

        def answered(request_id: str = request_id, last: str = last) -> bool:
            return (answers(request_id) or [("", "")])[-1][1] == last

        wait_until(answered, process)
    time.sleep(0.5)
    paused_at = steps_seen(run)
    time.sleep(1.5)
    assert steps_seen(run) == paused_at
    request(run, "resume")
    wait_until(lambda: steps_seen(run) > paused_at, process)
    request(run, "stop_after_epoch")
    assert process.wait(60) == 4
    exit_event = events_of(run, Exit)[-1]
    assert (exit_event.status, exit_event.step % 6) == ("stopped", 0)
