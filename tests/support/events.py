"""Events, records and logs for tests.

A builder makes one event of `wmse_tui.runs.log.events`: what a test is about is passed, the rest is that of
a small run on a CPU. Any further field of the event may be passed by its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.activity import ActivityLine, ActivityLog
from wmse_tui.runs.log.events import (
    Attempt,
    Checkpoint,
    Diagnostics,
    Epoch,
    Evaluation,
    KnnResult,
    LinearResult,
    Record,
)
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.state.watch import RunWatcher


def attempt(resume_step: int = 0, *, epochs: int = 10, steps_per_epoch: int = 4, **fields: Any) -> Attempt:
    values: dict[str, Any] = {
        "device": "CPU, 2 threads",
        "device_reason": "no CUDA: no card",
        "loader": "batched",
        "loader_reason": "the set fits in memory",
        "train_images": 5000,
        "train_split": "train",
        "parameters": 1_234_567,
        "deterministic": False,
        "exact": True,
        "pid": 77,
        "host": "gpu-a",
    }
    return Attempt(
        resume_step=resume_step, epochs=epochs, steps_per_epoch=steps_per_epoch, **(values | fields)
    )


def epoch(
    number: int,
    step: int,
    *,
    loss: float | None = 1.0,
    seconds: float = 4.0,
    images_per_second: float | None = 64.0,
) -> Epoch:
    return Epoch(epoch=number, step=step, loss=loss, seconds=seconds, images_per_second=images_per_second)


def evaluation(
    number: int,
    step: int,
    knn: float | None = None,
    linear: float | None = None,
    *,
    top5: float | None = None,
    seconds: float = 1.0,
    raw_pixels: float | None = None,
) -> Evaluation:
    """The evaluation after epoch `number`: the accuracies of 5-NN and of the linear probe where given."""
    return Evaluation(
        epoch=number,
        step=step,
        knn=None if knn is None else KnnResult(knn, 5, "euclidean"),
        linear=None if linear is None else LinearResult(linear, top5, "adam"),
        raw_pixels=raw_pixels,
        train_split="train",
        test_split="test",
        seconds=seconds,
    )


def checkpoint(step: int, file: str, **fields: Any) -> Checkpoint:
    values: dict[str, Any] = {
        "epoch": 0,
        "sha256": "0" * 64,
        "bytes": 9_800_000,
        "kinds": ("last",),
        "seconds": 0.1,
    }
    return Checkpoint(step=step, file=file, **(values | fields))


def diagnostics(step: int, space: str = "projector", **fields: Any) -> Diagnostics:
    """A sample of 256 healthy embeddings of dimension 64."""
    values: dict[str, Any] = {
        "epoch": 0,
        "samples": 256,
        "dim": 64,
        "spectrum": (2.0, 1.0),
        "effective_rank": 20.0,
        "effective_rank_null": 56.0,
        "condition_number": 100.0,
        "smallest_pivot": 0.01,
        "feature_std": 0.9,
        "mean_correlation": 0.2,
        "seconds": 0.01,
    }
    return Diagnostics(step=step, space=space, **(values | fields))


def read_log(path: Path) -> tuple[Record, ...]:
    """All records of a log as it is now. Raises StorageError."""
    reader = EventReader(path)
    records = list(reader.poll())
    while reader.behind:
        records += reader.poll()
    return tuple(records)


def activity_of(run: RunDirectory) -> tuple[ActivityLine, ...]:
    """The activity lines of a run as it is now. Raises StorageError."""
    log = ActivityLog()
    RunWatcher(run, records=log).poll()
    return log.lines()
