"""Every end of an attempt is reported in the log, with the exit code that belongs to it."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from events import read_log

from wmse_tui.engine.evaluation import EvaluationInterrupted
from wmse_tui.engine.training import checkpoint_manager, checkpoints, session
from wmse_tui.engine.training.checkpoints import (
    SavedCheckpoint,
    read_checkpoint,
    save_checkpoint,
    step_checkpoints,
)
from wmse_tui.engine.training.device import ChosenDevice
from wmse_tui.engine.training.loop import TrainingLoop
from wmse_tui.engine.training.requests import Requests, StopRequested
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Attempt, Epoch, Error, Exit, Notice, Steps
from wmse_tui.runs.process import disk_reserve
from wmse_tui.runs.state.watch import view_run

MakeRun = Callable[..., RunDirectory]

WITHOUT_INTERFACE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("typer", "rich", "click", "textual", "plotext"):
            raise ModuleNotFoundError(f"{name} is not installed here")
sys.meta_path.insert(0, Absent())
from wmse_tui.engine.training.session import run_session
sys.exit(run_session(sys.argv[1]))
"""


def events_of(run: RunDirectory, kind: type[Any]) -> list[Any]:
    return [record.event for record in read_log(run.events) if isinstance(record.event, kind)]


def poison_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a NaN into the weights when `step` steps are done, as a broken kernel or disk would."""
    at_boundary = TrainingLoop._at_boundary

    def poisoned(trainer: TrainingLoop) -> None:
        at_boundary(trainer)
        if trainer.position.step == step:
            with torch.no_grad():
                next(trainer.method.projector.parameters()).fill_(math.nan)

    monkeypatch.setattr(TrainingLoop, "_at_boundary", poisoned)


def test_the_trainer_needs_no_interface_library(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_INTERFACE, str(run.path)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert view_run(run).status == "completed"


def test_a_card_with_bfloat16_has_advice_on_faster_options_in_the_log(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ChosenDevice(torch.device("cpu"), "A card", "requested", bfloat16=True)
    monkeypatch.setattr(session, "choose_device", lambda wanted: card)
    run = make_run("schedule.epochs=1")
    assert run_session(run.path) == 0
    (notice,) = (one for one in events_of(run, Notice) if one.code == "N_DEVICE")
    assert notice.level == "info"
    assert notice.text.startswith("A card is expected to train faster with --set compute.precision=bfloat16")


def test_however_quick_the_epochs_few_events_are_written_and_every_loss(make_run: MakeRun) -> None:
    run = make_run("dataset.train_images=16", "schedule.epochs=60", "evaluation.every=1000")
    before = time.monotonic()
    assert run_session(run.path) == 0
    seconds = time.monotonic() - before
    epochs = events_of(run, Epoch)
    assert epochs[-1].epoch == 60
    assert len(epochs) <= 2 + 2 * seconds
    steps = events_of(run, Steps)
    assert len(steps) <= len(epochs) + 2 + seconds  # one in a second that has begun, and the last
    assert sum(len(event.loss) for event in steps) == 60
    mean = dict(zip([e.epoch for e in epochs], [e.loss for e in epochs], strict=True))
    losses = [loss for event in steps for loss in event.loss]
    assert all(mean[epoch] == pytest.approx(losses[epoch - 1], rel=1e-5) for epoch in mean)


def test_a_completed_run_reports_it_and_stays_completed(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1")
    assert run_session(run.path) == 0
    assert run_session(run.path) == 0
    assert [event.status for event in events_of(run, Exit)] == ["completed", "completed"]
    assert [event.resume_step for event in events_of(run, Attempt)] == [0, 6]
    assert view_run(run).step == 6
    assert read_checkpoint(run.checkpoints / "final.pt")["position"]["epoch"] == 1


@pytest.mark.parametrize(
    ("method", "title", "evidence"),
    [
        ("w_mse", "the embeddings to be whitened are not all finite", "NaN"),
        ("simclr", "the loss is not finite", "step 9 (epoch 2), loss nan"),
        ("byol", "the loss is not finite", "step 9 (epoch 2), loss nan"),
    ],
)
def test_a_loss_that_is_not_finite_is_diagnosed_and_the_last_good_checkpoint_stays(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, method: str, title: str, evidence: str
) -> None:
    run = make_run(f"method.name={method}", "checkpoint.every_minutes=0.0001")
    poison_after(8, monkeypatch)
    assert run_session(run.path) == 3
    error = events_of(run, Error)[-1]
    assert error.title == title
    assert evidence in error.detail
    assert error.stage == "training"
    assert error.next
    assert events_of(run, Exit)[-1].status == "diverged"
    newest = step_checkpoints(run.checkpoints)[-1]
    assert newest.name in error.saved
    saved = read_checkpoint(newest)
    assert saved["position"]["step"] <= 8
    assert all(bool(t.isfinite().all()) for t in saved["method"].values() if t.is_floating_point())
    assert max(event.first + len(event.loss) - 1 for event in events_of(run, Steps)) >= 8


def test_a_disk_that_fills_up_ends_the_run_with_the_reason_in_the_log(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full from step 8 on, for checkpoints and log alike, until the run releases its reserved space."""
    run = make_run("checkpoint.every_minutes=0.0001")
    at_boundary, write, save = TrainingLoop._at_boundary, os.write, save_checkpoint
    full = False

    def fills_up(trainer: TrainingLoop) -> None:
        nonlocal full
        full = trainer.position.step >= 8
        at_boundary(trainer)

    def refuse() -> None:
        if full and run.reserve.exists():
            assert run.reserve.stat().st_blocks * 512 >= disk_reserve.RESERVE_BYTES
            raise OSError(errno.ENOSPC, "No space left on device", str(run.path))

    def write_if_room(descriptor: int, line: bytes) -> int:
        refuse()
        return write(descriptor, line)

    def save_if_room(*arguments: Any, **options: Any) -> Any:
        refuse()
        return save(*arguments, **options)

    monkeypatch.setattr(TrainingLoop, "_at_boundary", fills_up)
    monkeypatch.setattr(os, "write", write_if_room)
    monkeypatch.setattr(checkpoint_manager, "save_checkpoint", save_if_room)
    assert run_session(run.path) == 1
    error = events_of(run, Error)[-1]
    assert (error.code, error.stage) == ("E_DISK_FULL", "training")
    assert "step-00000007.pt" in error.saved
    assert [event.status for event in events_of(run, Exit)] == ["failed"]
    assert [record.seq for record in read_log(run.events)] == list(range(1, len(read_log(run.events)) + 1))
    assert not run.reserve.exists()


def test_missing_images_end_the_start_with_what_to_do(make_run: MakeRun, tmp_path: Path) -> None:
    root = tmp_path / "nothing-here"
    run = make_run("dataset.name=folder", f"dataset.root={root}", "dataset.mean=null")
    assert run_session(run.path) == 1
    error = events_of(run, Error)[-1]
    assert (error.code, error.stage) == ("E_DATA", "start")
    assert str(root) in error.title + error.detail
    assert error.next
    assert events_of(run, Attempt) == []


def test_a_configuration_of_another_version_is_named_with_its_line(make_run: MakeRun) -> None:
    run = make_run()
    run.config.write_text(run.config.read_text().replace("hidden:", "hiden:"))
    assert run_session(run.path) == 2
    error = events_of(run, Error)[-1]
    assert error.code == "E_CONFIG"
    assert "projector.hiden" in error.detail
    assert "hidden" in error.detail


def test_a_checkpoint_of_another_network_is_refused_whole(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1")
    assert run_session(run.path) == 0
    run.config.write_text(run.config.read_text().replace("hidden: 16", "hidden: 24"))
    assert run_session(run.path) == 1
    error = events_of(run, Error)[-1]
    assert (error.code, error.title) == ("E_CHECKPOINT", "the checkpoint does not fit this configuration")
    assert "size mismatch" in error.detail


def test_a_stop_right_after_a_loss_that_is_not_finite_is_reported_as_diverged(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is still on the device when the stop is obeyed: saving fetches it."""
    run = make_run("method.name=simclr")
    poison_after(8, monkeypatch)
    poisoned = TrainingLoop._at_boundary

    def stop(trainer: TrainingLoop) -> None:
        if trainer.position.step == 9:
            raise StopRequested("here")
        poisoned(trainer)

    monkeypatch.setattr(TrainingLoop, "_at_boundary", stop)
    monkeypatch.setattr("wmse_tui.engine.training.telemetry.FLUSH_SECONDS", 3600.0)
    assert run_session(run.path) == 3
    error = events_of(run, Error)[-1]
    assert error.title == "the loss is not finite"
    assert "step 9 (epoch 2)" in error.detail


def test_weights_that_are_not_finite_are_never_saved(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gradient can overflow where its loss did not: the last step of a run has no loss after it."""
    run = make_run("evaluation.knn=off", "schedule.epochs=1")
    poison_after(6, monkeypatch)
    assert run_session(run.path) == 3
    assert events_of(run, Error)[-1].title == "the weights are not finite"
    assert not (run.checkpoints / "final.pt").exists()


@pytest.mark.parametrize("name", ["best", "final"])
def test_an_attempt_that_died_before_naming_its_checkpoint_is_made_good(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = make_run("schedule.epochs=1")
    naming = checkpoints.name_checkpoint

    def refused(published: SavedCheckpoint, wanted: str) -> None:
        if wanted == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        naming(published, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_manager, "name_checkpoint", refused)
        assert run_session(run.path) == 1
    assert not (run.checkpoints / f"{name}.pt").exists()
    assert run_session(run.path) == 0
    assert read_checkpoint(run.checkpoints / f"{name}.pt")["position"]["step"] == 6


def test_other_training_images_than_before_are_refused(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1")
    assert run_session(run.path) == 0
    run.config.write_text(run.config.read_text().replace("train_images: 96", "train_images: 80"))
    assert run_session(run.path) == 1
    error = events_of(run, Error)[-1]
    assert (error.code, error.title) == (
        "E_CHECKPOINT",
        "the training images are not those of the checkpoint",
    )
    assert "96 images then, 80 now" in error.detail


def test_a_stop_while_paused_does_no_further_step(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    at_boundary = TrainingLoop._at_boundary

    def pause(trainer: TrainingLoop) -> None:
        trainer.requests.paused = trainer.position.step == 2
        at_boundary(trainer)

    def stop(requests: Requests) -> None:
        requests.stop = "requested"

    monkeypatch.setattr(TrainingLoop, "_at_boundary", pause)
    monkeypatch.setattr(Requests, "wait_while_paused", stop)
    assert run_session(run.path) == 4
    assert events_of(run, Exit)[-1].step == 2


def test_a_stopped_evaluation_is_no_time_of_training(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("schedule.epochs=1")

    def interrupted(*_: Any, step: int, **__: Any) -> None:
        if step:
            time.sleep(1.0)
            raise EvaluationInterrupted

    monkeypatch.setattr("wmse_tui.engine.training.session.evaluate", interrupted)
    assert run_session(run.path) == 4
    position = read_checkpoint(step_checkpoints(run.checkpoints)[-1])["position"]
    assert position["epoch_seconds"] < 0.1 + events_of(run, Epoch)[-1].seconds
