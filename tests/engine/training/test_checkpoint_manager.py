"""Which checkpoints are saved, which is best, and what happens on a disk error."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from wmse_tui.config.sections.checkpoint import CheckpointOptions
from wmse_tui.engine.training import checkpoint_manager as keeper_module
from wmse_tui.engine.training.checkpoint_manager import CheckpointManager
from wmse_tui.engine.training.checkpoints import read_checkpoint
from wmse_tui.runs.log.events import Checkpoint, Evaluation, Event, KnnResult, LinearResult, Notice


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def evaluation(*, knn: float | None = None, linear: float | None = None) -> Evaluation:
    return Evaluation(
        epoch=1,
        step=1,
        knn=None if knn is None else KnnResult(knn, 5, "euclidean"),
        linear=None if linear is None else LinearResult(linear, None, "adam"),
        train_split="train",
        test_split="test",
        seconds=0.0,
    )


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def manager(tmp_path: Path, events: list[Event]) -> CheckpointManager:
    return CheckpointManager(
        lambda: tmp_path, CheckpointOptions(), write=events.append, sync_log=lambda: None, clock=Clock()
    )


def save(manager: CheckpointManager, step: int, *kinds: str) -> str:
    return manager.save({"weights": torch.zeros(3)}, step=step, epoch=0, kinds=kinds or ("periodic",))


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keeper_module, "save_checkpoint", full)


def test_the_last_two_the_best_and_the_final_stay(
    manager: CheckpointManager, tmp_path: Path, events: list[Event]
) -> None:
    for step, kinds in enumerate([("best",), ("periodic",), ("periodic",), ("final",)], start=1):
        save(manager, step, *kinds)
    names = sorted(path.name for path in tmp_path.glob("*.pt"))
    assert names == ["best.pt", "final.pt", "step-00000003.pt", "step-00000004.pt"]
    saved = [(event.step, event.kinds) for event in events if isinstance(event, Checkpoint)]
    assert saved == [(1, ("best",)), (2, ("periodic",)), (3, ("periodic",)), (4, ("final",))]


def test_a_checkpoint_is_due_by_the_minute(tmp_path: Path) -> None:
    clock = Clock()
    manager = CheckpointManager(
        lambda: tmp_path,
        CheckpointOptions(every_minutes=5),
        write=lambda e: None,
        sync_log=lambda: None,
        clock=clock,
    )
    clock.now = 299.0
    assert not manager.due()
    clock.now = 300.0
    assert manager.due()
    save(manager, 1)
    assert not manager.due()


def test_the_best_is_by_nearest_neighbours_and_else_by_the_probe(
    manager: CheckpointManager, tmp_path: Path
) -> None:
    assert manager.is_best(evaluation(knn=0.5, linear=0.9))
    assert not manager.is_best(evaluation(knn=0.5, linear=1.0))
    assert manager.is_best(evaluation(knn=0.6, linear=0.1))
    assert not manager.is_best(evaluation())
    save(manager, 3)
    assert read_checkpoint(tmp_path / "step-00000003.pt")["best"] == 0.6


def test_a_full_disk_is_reported_and_training_continues_until_the_third_failure(
    manager: CheckpointManager, events: list[Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(manager, 1)
    refuse(monkeypatch)
    assert save(manager, 2) == ""
    assert save(manager, 3) == ""
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices[-1].startswith("checkpoint of step 3 could not be saved: No space left on device.")
    assert "(2 of 3)" in notices[-1]
    with pytest.raises(OSError, match="No space left"):
        save(manager, 4)
    assert read_checkpoint(tmp_path / "step-00000001.pt")


def test_a_refused_save_is_tried_again_soon_so_that_less_than_five_minutes_are_at_risk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    manager = CheckpointManager(
        lambda: tmp_path, CheckpointOptions(), write=lambda e: None, sync_log=lambda: None, clock=clock
    )
    refuse(monkeypatch)
    tried: list[float] = []
    while len(tried) < 2:
        clock.now += 1.0
        if manager.due():
            tried.append(clock.now)
            assert save(manager, 1) == ""
    while not manager.due():
        clock.now += 1.0
    with pytest.raises(OSError, match="No space left"):  # the third ends the run
        save(manager, 1)
    assert tried[0] == 240
    assert clock.now < 300


def test_after_a_successful_save_the_interval_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    manager = CheckpointManager(
        lambda: tmp_path, CheckpointOptions(), write=lambda e: None, sync_log=lambda: None, clock=clock
    )
    with monkeypatch.context() as patch:
        refuse(patch)
        save(manager, 1)
    clock.now = 30.0
    assert manager.due()
    save(manager, 2)
    clock.now = 260.0
    assert not manager.due()
    clock.now = 270.0
    assert manager.due()


def test_a_stop_that_cannot_be_saved_is_an_error_at_once(
    manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        save(manager, 1, "stop")


def test_a_best_that_was_refused_does_not_bar_a_lesser_one(
    manager: CheckpointManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert manager.is_best(evaluation(knn=0.5))
    save(manager, 1, "best")
    assert manager.is_best(evaluation(knn=0.9))
    with monkeypatch.context() as patch:
        refuse(patch)
        assert save(manager, 2, "best") == ""
    assert manager.is_best(evaluation(knn=0.7))
    save(manager, 3, "best")
    assert read_checkpoint(tmp_path / "best.pt")["best"] == 0.7
