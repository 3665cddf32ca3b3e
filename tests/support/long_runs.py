"""Runs like those of a GPU server, made without one: a log of a whole day, and one that grows as you watch.

python tests/support/long_runs.py live RUN_DIR [SECONDS]    lock the run and write like a trainer
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path

from events import attempt, evaluation

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import (
    Diagnostics,
    Epoch,
    Event,
    Exit,
    Phase,
    Record,
    Resources,
    Steps,
)
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.identity import host, write_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.state.config import with_preset

STEPS_PER_EPOCH = 97
STEPS_PER_SECOND = 11.574  # a million in a day


def make_run(root: Path, name: str, *, epochs: int = 1000) -> RunDirectory:
    """An empty run of the paper's CIFAR-10 recipe."""
    experiment = load_experiment(preset="cifar10", overrides=[f"schedule.epochs={epochs}"])
    return create_run(root, with_preset(dump_experiment(experiment), "cifar10"), name=name)


def begin(epochs: int) -> tuple[Event, ...]:
    """The first event of a trainer."""
    ready = attempt(
        epochs=epochs,
        steps_per_epoch=STEPS_PER_EPOCH,
        device="NVIDIA H100",
        device_reason="the first CUDA device",
        loader_reason="the set fits on the device",
        train_images=50_000,
        parameters=11_500_000,
        pid=os.getpid(),
        host=host(),
    )
    return Phase("start"), ready, Phase("train")


def loss_at(step: int) -> float:
    """A loss that falls from 2 and shakes a little, the same for everybody."""
    return 0.5 + 1.5 / (1 + step / 2000) + 0.03 * math.sin(step * 12.9898) * math.cos(step * 78.233)


def second(first: int, count: int, at: int) -> list[Event]:
    """What is written in second `at`: `count` steps from `first`, and what else is due."""
    steps = range(first, first + count)
    losses = tuple(float(f"{loss_at(step):.6g}") for step in steps)
    events: list[Event] = [
        Steps(first=first, loss=losses, lr=(0.003,) * count, images_per_second=5900.0 + at % 60)
    ]
    last = first + count - 1
    epoch = last // STEPS_PER_EPOCH
    if at % 5 == 0:
        events.append(
            Resources(
                step=last,
                gpu="NVIDIA H100",
                gpu_utilisation=0.97,
                gpu_memory=9.1e9,
                gpu_memory_total=8.5e10,
                gpu_temperature=60.0 + at % 4,
                gpu_power=420.0 + at % 9,
                gpu_power_limit=700.0,
                cpu=1.4,
                cpu_count=16,
                memory=4.1e9,
                memory_total=1.3e11,
            )
        )
    if at % 10 == 0:
        spectrum = tuple(float(f"{math.exp(-rank / 20):.4g}") for rank in range(64))
        events.append(
            Diagnostics(
                step=last,
                epoch=epoch,
                space="projector",
                samples=512,
                dim=64,
                spectrum=spectrum,
                effective_rank=58.0 + math.sin(at),
                effective_rank_null=60.2,
                condition_number=40.0 + at % 7,
                smallest_pivot=0.2,
                feature_std=0.97,
                mean_correlation=0.08,
                seconds=0.002,
            )
        )
    if epoch > (first - 1) // STEPS_PER_EPOCH:
        events.append(
            Epoch(
                epoch=epoch,
                step=epoch * STEPS_PER_EPOCH,
                loss=loss_at(last),
                seconds=STEPS_PER_EPOCH / STEPS_PER_SECOND,
                images_per_second=5900.0,
            )
        )
        if epoch % 20 == 0:
            events.append(
                evaluation(
                    epoch,
                    epoch * STEPS_PER_EPOCH,
                    0.9 - 0.4 / (1 + epoch / 50),
                    0.92 - 0.4 / (1 + epoch / 50),
                    top5=0.99,
                    seconds=3.0,
                )
            )
    return events


def write_day(run: RunDirectory, *, seconds: int = 86_400, steps: int = 1_000_000) -> int:
    """Write the log of a finished run of that length, line by line as a trainer does; returns its bytes."""
    began = time.time() - seconds
    epochs = -(-steps // STEPS_PER_EPOCH)
    seq = 0
    with run.events.open("w", encoding="ascii") as file:

        def write(t: float, *events: Event) -> None:
            nonlocal seq
            for event in events:
                seq += 1
                file.write(encode(Record(1, seq, t, 1, event)) + "\n")

        write(began, *begin(epochs))
        done = 0
        for at in range(1, seconds + 1):
            upto = steps * at // seconds
            if upto > done:
                write(began + at, *second(done + 1, upto - done, at))
                done = upto
        write(began + seconds, Exit(status="completed", step=done, epoch=epochs, seconds=float(seconds)))
    return run.events.stat().st_size


def live(run: RunDirectory, seconds: float) -> None:
    """Write as a trainer does, second by second, and keep the longest delay of a beat of 10 ms in `gaps`."""
    lock = RunLock(run)
    lock.acquire()
    log = EventWriter(run.events)
    write_trainer(run, attempt=log.begin_attempt())
    for event in begin(1000):
        log.write(event)
    began, done, longest, at = time.monotonic(), 0, 0.0, 0
    before = began
    while before - began < seconds:
        time.sleep(0.01)
        now = time.monotonic()
        longest, before = max(longest, now - before), now
        if now - began >= at + 1:
            at += 1
            upto = int(STEPS_PER_SECOND * at)
            for event in second(done + 1, upto - done, at):
                log.write(event)
            done = upto
            (run.path / "gaps").write_text(json.dumps(longest))
    log.write(Exit(status="stopped", step=done, epoch=done // STEPS_PER_EPOCH, seconds=seconds))
    log.close()


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] != "live":
        sys.exit(str(__doc__))
    live(RunDirectory(Path(sys.argv[2])), float(sys.argv[3]) if len(sys.argv) > 3 else 3600.0)
