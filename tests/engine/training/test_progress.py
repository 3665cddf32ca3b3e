"""The progress passed to a method after each step: BYOL's target follows it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from wmse_tui.engine.methods.byol import Byol
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory


def test_the_target_follows_once_a_step_by_the_share_of_all_steps_that_are_done(
    make_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[tuple[float, float, float]] = []  # of one target weight: before, after, the online one
    after_step = Byol.after_step

    def watched(method: Byol, progress: float) -> None:
        target = method.get_parameter("target_projector.0.weight")
        online = method.get_parameter("projector.0.weight")
        before = target[0, 0].item()
        after_step(method, progress)
        weights.append((before, target[0, 0].item(), online[0, 0].item()))

    monkeypatch.setattr(Byol, "after_step", watched)
    run = make_run("method.name=byol", "method.momentum=0.5", "optimizer.lr=0.05", "evaluation.knn=off")
    assert run_session(run.path) == 0

    del weights[0]  # the trial before the first step, whose weights went back
    assert len(weights) == 18  # 3 epochs of 96 / 16 steps
    for step, (before, after, online) in enumerate(weights, 1):
        decay = 1 - (1 - 0.5) * (1 + math.cos(math.pi * step / 18)) / 2  # Grill et al. 2020: step k of K
        assert after == pytest.approx(decay * before + (1 - decay) * online, abs=1e-6), step
    assert weights[-1][0] == weights[-1][1]  # the last step does not move it
