"""What the diagnostics of a run cost: a look at embeddings, one at features, and how often there is one."""

from __future__ import annotations

import time
from statistics import median

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.rounds import Row, Spread
from wmse_tui.engine.profiling.timed_steps import TimedSteps
from wmse_tui.engine.training.diagnostics import DIAGNOSTICS_SHARE, TrainingDiagnostics
from wmse_tui.engine.training.resources import Meter
from wmse_tui.engine.training.time_budget import times_within
from wmse_tui.runs.log.events import Diagnostics, Event

SPANS = (("ten minutes", 600), ("an hour", 3600), ("a day", 86_400))


class _Hands:
    """A clock that is put forward by hand, so that everything is due."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def looks(steps: TimedSteps, experiment: Experiment, batch: Tensor, device: torch.device, *, n: int) -> Row:
    """The diagnostics of a step, `n` times, and their share of a run's time by its cadence."""
    told: list[tuple[str, float]] = []

    def keep(event: Event) -> None:
        if isinstance(event, Diagnostics):
            told.append((event.space, time.perf_counter()))

    hands = _Hands()
    vitals = TrainingDiagnostics(
        steps.method, seed=experiment.seed, meter=Meter(device), write=keep, clock=hands
    )
    took: dict[str, list[float]] = {}
    for _ in range(n + 1):
        with torch.no_grad():
            embeddings = steps.losses(batch).embeddings
        steps.finish()
        told.clear()
        began = time.perf_counter()
        vitals.after_step(embeddings, step=1, epoch=0, flush=lambda: None)
        hands.now += 1e9
        for space, at in told:
            took.setdefault(space, []).append(at - began)
            began = at
    cost = {space: median(seconds[1:]) for space, seconds in took.items()}  # the first one warms up
    both = [sum(values) for values in zip(*(seconds[1:] for seconds in took.values()), strict=True)]
    return Row(
        stage="diagnostics",
        what="a look at the embeddings and one at the features",
        ours=Spread.of(both),
        n=n,
        note="by their cadence " + ", ".join(f"{_share(cost, span):.2%} of {name}" for name, span in SPANS),
    )


def _share(cost: dict[str, float], span: float) -> float:
    """The part of the first `span` seconds of a run that looks take which cost so much each."""
    spent = (seconds * times_within(span, cost=seconds, share=DIAGNOSTICS_SHARE) for seconds in cost.values())
    return sum(spent) / span
