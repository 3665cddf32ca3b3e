"""Ranks are timed beside one process, and what they send in a step is counted."""

from __future__ import annotations

import pytest
import torch
from forked_ranks import forked
from forked_trainers import ForkedTrainer

from wmse_tui.cli.commands.bench import ranks_text
from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark import rank_speed
from wmse_tui.engine.benchmark.rank_speed import measure_ranks, serve_rank
from wmse_tui.engine.errors import EngineError

TINY = (
    "dataset.crop=16",
    "schedule.batch_size=16",
    "method.whitening_size=8",
    "projector.dim=4",
    "projector.hidden=8",
    "compute.device=cpu",
    "compute.devices=2",
)


def start(experiment: Experiment, *arguments: str) -> ForkedTrainer:
    def body() -> int:
        serve_rank(experiment, *arguments)
        return 0

    return forked(body)


def test_a_step_sends_gradients_and_embeddings_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_speed, "start_rank", start)
    monkeypatch.setattr(rank_speed, "share_cores", lambda _: torch.set_num_threads(1))
    threads = torch.get_num_threads()
    row, shared = measure_ranks(
        load_experiment(preset="quickstart", overrides=TINY), torch.device("cpu"), rounds=1
    )
    assert torch.get_num_threads() == threads
    assert row.what == "a step of 2 ranks, 8 images and 1 thread each"
    assert row.ratio is not None
    assert shared["efficiency"] == row.ratio.median / 2
    sent = {(one["name"], one["bytes"]): one["count"] for one in shared["transfers"]}
    gradients, embeddings = 4 * shared["parameters"], 4 * 2 * 8 * 4
    assert sent["all_reduce", gradients] == 1
    assert max(size for name, size in sent if name == "all_reduce") == gradients
    layers = 2 * 7 + 1  # BatchNorms of the encoder's two calls, and one in the projector
    statistics = sum(number for (name, _), number in sent.items() if name == "all_gather") - 1
    assert statistics == layers
    assert sent["all_gather", embeddings] >= 1
    text = list(ranks_text(shared))
    assert text[0].startswith("2 ranks have ")
    assert f"  1 all_reduce of {gradients:,} B: the gradients" in text


def test_a_rank_that_does_not_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_speed, "start_rank", lambda *_: forked(lambda: 3))
    with pytest.raises(EngineError, match="rank 1 could not be started: its process ended with status 3"):
        measure_ranks(load_experiment(preset="quickstart", overrides=TINY), torch.device("cpu"), rounds=1)
