"""A run small enough to be trained many times: 96 patterns, a CIFAR ResNet-8, six steps an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run

TINY = (
    "seed=7",
    "dataset.train_images=96",
    "dataset.test_images=40",
    "dataset.crop=16",
    "projector.hidden=16",
    "projector.dim=4",
    "method.whitening_size=8",
    "schedule.batch_size=16",
    "schedule.epochs=3",
    "schedule.kind=constant",
    "schedule.warmup_steps=2",
    "evaluation.every=1",
    "evaluation.linear=off",
    "evaluation.raw_pixels=false",
    "compute.device=cpu",
    "compute.deterministic=true",
)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunDirectory]:
    """Creates a run of the tiny experiment with some keys set differently."""

    def make(*overrides: str, name: str = "tiny") -> RunDirectory:
        other_method = any(o.startswith("method.name=") and o != "method.name=w_mse" for o in overrides)
        tiny = [o for o in TINY if not (other_method and o.startswith("method."))]
        experiment = load_experiment(preset="quickstart", overrides=(*tiny, *overrides))
        return create_run(tmp_path / "runs", dump_experiment(experiment), name=name)

    return make


@pytest.fixture(autouse=True)
def _determinism_as_before() -> Iterator[None]:
    """A session sets determinism for this process."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(deterministic)
