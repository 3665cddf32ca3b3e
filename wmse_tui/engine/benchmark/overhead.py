"""What a step pays beside its own work: telemetry, event log, checkpoints and diagnostics."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.rounds import Quartiles, Row
from wmse_tui.engine.profiling.timed_steps import TimedSteps
from wmse_tui.engine.training.checkpoints import save_checkpoint
from wmse_tui.engine.training.diagnostics import DIAGNOSTICS_SHARE, TrainingDiagnostics
from wmse_tui.engine.training.resources import ResourceMonitor
from wmse_tui.engine.training.telemetry import FLUSH_SECONDS, Telemetry
from wmse_tui.engine.training.time_budget import times_within
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Diagnostics, Event
from wmse_tui.runs.log.writer import EventWriter

RECORDED_STEPS = 300
SPANS = (("ten minutes", 600), ("an hour", 3600), ("a day", 86_400))


def bookkeeping_row(
    steps: TimedSteps, experiment: Experiment, step_seconds: float, device: torch.device
) -> Row:
    """Telemetry, event log and checkpoints, as seconds a step of `step_seconds`.

    Every step is recorded, a line is written once a second, a checkpoint every `checkpoint.every_minutes`.
    """
    loss = torch.ones((), device=device)
    with tempfile.TemporaryDirectory(prefix="wmse-tui-bench-") as folder:
        run = RunDirectory(Path(folder) / "run")
        run.checkpoints.mkdir(parents=True)
        log = EventWriter(run.events)
        log.begin_attempt()
        telemetry = Telemetry(log.write, images_per_step=experiment.schedule.batch_size, clock=lambda: 0.0)
        began = time.perf_counter()
        for number in range(RECORDED_STEPS):
            telemetry.step(number + 1, loss, {}, 1e-3)
        recording = (time.perf_counter() - began) / RECORDED_STEPS
        began = time.perf_counter()
        telemetry.flush()
        writing = time.perf_counter() - began
        log.close()
        began = time.perf_counter()
        save_checkpoint(run.checkpoints, 1, steps.state())
        saving = time.perf_counter() - began
    each = recording + writing * min(1.0, step_seconds / FLUSH_SECONDS)
    each += saving * step_seconds / (60 * experiment.checkpoint.every_minutes)
    return Row(
        stage="bookkeeping",
        what="telemetry, event log, checkpoints, a step",
        ours=Quartiles.of([each]),
        n=1,
        note=f"{each / step_seconds:.2%} of a step; a checkpoint takes {saving:.2f} s",
    )


class _ManualClock:
    """A clock that is advanced by hand, so that every sample is due."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def diagnostics_row(
    steps: TimedSteps, experiment: Experiment, batch: Tensor, device: torch.device, *, n: int
) -> Row:
    """The diagnostics of a step, `n` times, and their share of a run's time by their time budget."""
    written: list[tuple[str, float]] = []

    def write(event: Event) -> None:
        if isinstance(event, Diagnostics):
            written.append((event.space, time.perf_counter()))

    clock = _ManualClock()
    diagnostics = TrainingDiagnostics(
        steps.method, seed=experiment.seed, resources=ResourceMonitor(device), write=write, clock=clock
    )
    seconds: dict[str, list[float]] = {}
    for _ in range(n + 1):
        with torch.no_grad():
            embeddings = steps.losses(batch).embeddings
        steps.finish()
        written.clear()
        began = time.perf_counter()
        diagnostics.after_step(embeddings, step=1, epoch=0, flush=lambda: None)
        clock.now += 1e9
        for space, ended in written:
            seconds.setdefault(space, []).append(ended - began)
            began = ended
    cost = {space: median(values[1:]) for space, values in seconds.items()}  # the first one warms up
    both = [sum(values) for values in zip(*(values[1:] for values in seconds.values()), strict=True)]
    shares = ", ".join(f"{_share(cost, span):.2%} of {name}" for name, span in SPANS)
    return Row(
        stage="diagnostics",
        what="a sample of the embeddings and one of the features",
        ours=Quartiles.of(both),
        n=n,
        note=f"by their time budget {shares}",
    )


def _share(cost: dict[str, float], span: float) -> float:
    """The part of the first `span` seconds of a run that samples of this cost take."""
    spent = (seconds * times_within(span, cost=seconds, share=DIAGNOSTICS_SHARE) for seconds in cost.values())
    return sum(spent) / span
