"""What a step pays for being told, kept and looked after."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.rounds import Row, Spread
from wmse_tui.engine.profiling.timed_steps import TimedSteps
from wmse_tui.engine.training.checkpoints import save_checkpoint
from wmse_tui.engine.training.telemetry import FLUSH_SECONDS, Telemetry
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.writer import EventWriter

NOTES = 300  # steps that are noted


def bookkeeping(steps: TimedSteps, experiment: Experiment, step_seconds: float, device: torch.device) -> Row:
    """Telemetry, event log and checkpoints, as seconds a step of `step_seconds`.

    Every step is noted, a line is written once a second, a checkpoint every `checkpoint.every_minutes`.
    """
    loss = torch.ones((), device=device)
    with tempfile.TemporaryDirectory(prefix="wmse-tui-bench-") as folder:
        run = RunDirectory(Path(folder) / "run")
        run.checkpoints.mkdir(parents=True)
        log = EventWriter(run.events)
        log.begin_attempt()
        telemetry = Telemetry(log.write, images_per_step=experiment.schedule.batch_size, clock=lambda: 0.0)
        began = time.perf_counter()
        for number in range(NOTES):
            telemetry.step(number + 1, loss, {}, 1e-3)
        noting = (time.perf_counter() - began) / NOTES
        began = time.perf_counter()
        telemetry.flush()
        writing = time.perf_counter() - began
        log.close()
        began = time.perf_counter()
        save_checkpoint(run.checkpoints, 1, steps.state())
        saving = time.perf_counter() - began
    each = noting + writing * min(1.0, step_seconds / FLUSH_SECONDS)
    each += saving * step_seconds / (60 * experiment.checkpoint.every_minutes)
    return Row(
        stage="bookkeeping",
        what="telemetry, event log, checkpoints, a step",
        ours=Spread.of([each]),
        n=1,
        note=f"{each / step_seconds:.2%} of a step; a checkpoint takes {saving:.2f} s",
    )
