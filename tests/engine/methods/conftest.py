"""A small experiment for each method, and views for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.config.methods import Method
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.backbone import Backbone
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.config.sections.projector import Projector
from wmse_tui.config.sections.schedule import StepSchedule

BATCH = 16


def _experiment(method: Method, seed: int = 0, projector: Projector | None = None) -> Experiment:
    return Experiment(
        seed=seed,
        dataset=Dataset(name="patterns"),
        backbone=Backbone(arch="cifar_resnet8"),
        projector=projector or Projector(layers=2, hidden=24, dim=4),
        method=method,
        schedule=StepSchedule(batch_size=BATCH),
    )


@pytest.fixture
def experiment() -> Callable[..., Experiment]:
    """(method, seed=0, projector=...) -> an experiment with the smallest networks."""
    return _experiment


@pytest.fixture
def views() -> Tensor:
    """Three views of 16 images of 8 x 8 pixels that resemble each other."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, 8, 8, generator=generator)
    return images + 0.3 * torch.randn(3, BATCH, 3, 8, 8, generator=generator)
