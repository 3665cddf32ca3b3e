"""The learning rate as a pure function of the step: no state, so nothing to lose on resumption."""

from __future__ import annotations

import math

from wmse_tui.config.sections.evaluation import EvaluationOptions
from wmse_tui.config.sections.schedule import Schedule


def learning_rate(schedule: Schedule, base: float, *, step: int, steps_per_epoch: int) -> float:
    """The learning rate of one optimiser step.

    Args:
        schedule: kind, epochs, warm-up and drops.
        base: `optimizer.lr`.
        step: number of the step, counted from 1 over the whole run.
        steps_per_epoch: full batches in an epoch.

    Linear warm-up over the first `warmup_steps` steps (step 1: base / warmup_steps), then by kind:
    `step` multiplies by `gamma` from the first step of each epoch E - milestone on (W-MSE's recipe,
    Ermolov et al. 2021: 0.2 at 50 and 25 epochs before the end); `cosine` falls from base to
    base * final_factor at the last step; `constant` stays.
    """
    warmup = min(1.0, step / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    if schedule.kind == "step":
        epoch = (step - 1) // steps_per_epoch
        drops = sum(epoch >= schedule.epochs - milestone for milestone in schedule.milestones)
        return float(base * warmup * schedule.gamma**drops)
    if schedule.kind == "cosine":
        total = schedule.epochs * steps_per_epoch
        done = (step - schedule.warmup_steps) / max(1, total - schedule.warmup_steps)
        cosine = (1 + math.cos(math.pi * min(1.0, max(0.0, done)))) / 2
        return float(base * warmup * (schedule.final_factor + (1 - schedule.final_factor) * cosine))
    return base * warmup


def evaluation_due(epoch: int, schedule: Schedule, evaluation: EvaluationOptions) -> bool:
    """Whether the encoder is evaluated after `epoch` completed epochs (the last epoch always is)."""
    if epoch >= schedule.epochs:
        return True
    dropped = schedule.kind == "step" and any(epoch >= schedule.epochs - m for m in schedule.milestones)
    every = evaluation.every_after_drop if dropped else evaluation.every
    return epoch % every == 0
