"""A trainer that trains nothing: it holds the lock, writes steps, and answers every request.

Launched in place of the interpreter (`launch_trainer(run, python=...)`), so its last argument is the run
directory. Environment: STANDIN_STEP seconds of a step (0.02), STANDIN_EPOCHS (1000: it goes on until it is
asked to stop), STANDIN_BEAT a file to which the time is appended every 20 ms, to be searched for gaps.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import (
    Attempt,
    Control,
    Epoch,
    Evaluation,
    Exit,
    KnnResult,
    LinearResult,
    Phase,
    Steps,
)
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.control import claim, pending
from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS
from wmse_tui.runs.process.identity import host, write_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.state.watch import view_run

PER_EPOCH = 10
step_seconds = float(os.environ.get("STANDIN_STEP", "0.02"))
epochs = int(os.environ.get("STANDIN_EPOCHS", "1000"))
beat = os.environ.get("STANDIN_BEAT", "")

signals: list[int] = []
signal.signal(signal.SIGTERM, lambda *_: signals.append(1))
signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
run = RunDirectory(Path(sys.argv[-1]))
lock = RunLock(run)
lock.acquire()
before = view_run(run)
log = EventWriter(run.events)
write_trainer(run, attempt=log.begin_attempt())
log.write(Phase("start"))
log.write(
    Attempt(
        resume_step=before.step,
        epochs=epochs,
        steps_per_epoch=PER_EPOCH,
        device="CPU, 2 threads",
        device_reason="a stand-in needs no more",
        loader="batched",
        loader_reason="small",
        train_images=2560,
        train_split="train",
        parameters=1_234_567,
        deterministic=False,
        exact=True,
        pid=os.getpid(),
        host=host(),
    )
)
log.write(Phase("train"))
step, since, stop_after = before.step, time.monotonic(), False


def leave(status: Literal["stopped", "completed"]) -> None:
    log.write(Exit(status=status, step=step, epoch=step // PER_EPOCH, seconds=time.monotonic() - since))
    log.close()
    sys.exit(0)


def measure() -> None:
    accuracy = 1 - 0.5 / (1 + step / 50)
    log.write(
        Evaluation(
            epoch=step // PER_EPOCH,
            step=step,
            knn=KnnResult(accuracy, 5, "euclidean"),
            linear=LinearResult((1 + accuracy) / 2, 0.99, "adam"),
            train_split="train",
            test_split="test",
            seconds=0.1,
        )
    )


def obey() -> None:
    """Answer what was asked; a paused stand-in stays in here."""
    global stop_after
    paused = False
    while True:
        for request in pending(run):
            claim(run, request)
            name = request.command
            log.write(
                Control(request.id, name, "accepted" if "stop" in name else "done", f"{name}: as asked")
            )
            if name == "stop":
                leave("stopped")
            stop_after = stop_after or name == "stop_after_epoch"
            paused = name == "pause" or (paused and name != "resume")
            if name == "pause":
                log.write(Phase("paused"))
            if name == "evaluate":
                measure()
        if signals:
            leave("stopped")
        if not paused:
            return
        time.sleep(0.02)


while step < epochs * PER_EPOCH:
    step += 1
    log.write(
        Steps(first=step, loss=(2 / (1 + step / 20),), lr=(0.001,), images_per_second=256 / step_seconds)
    )
    if step % PER_EPOCH == 0:
        log.write(
            Epoch(
                epoch=step // PER_EPOCH,
                step=step,
                loss=2 / (1 + step / 20),
                seconds=PER_EPOCH * step_seconds,
                images_per_second=256 / step_seconds,
            )
        )
        if stop_after:
            leave("stopped")
    end = time.monotonic() + step_seconds
    while True:
        obey()
        if beat:
            with Path(beat).open("a") as file:
                file.write(f"{time.monotonic():.4f}\n")
        if (left := end - time.monotonic()) <= 0:
            break
        time.sleep(min(0.02, left))
measure()
leave("completed")
