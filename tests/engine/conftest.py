"""What the tests of profiling and of the inspector share.

fixture     what it gives
tiny        tiny("key=value", ...) -> Experiment: a CIFAR ResNet-8 on 96 patterns
images      an ImageCache of this test's own, with a data folder of its own
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.profiling.image_cache import ImageCache

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
    "compute.device=cpu",
)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Experiment]:
    def make(*overrides: str) -> Experiment:
        other_method = any(o.startswith("method.name=") and o != "method.name=w_mse" for o in overrides)
        base = [o for o in TINY if not (other_method and o.startswith("method."))]
        return load_experiment(preset="quickstart", overrides=(*base, *overrides))

    return make


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageCache:
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path / "data"))
    return ImageCache()
