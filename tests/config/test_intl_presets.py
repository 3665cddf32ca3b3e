"""The presets of INTL against the authors' recipe and results, written out here a second time."""

from __future__ import annotations

import pytest

from wmse_tui.config.loading import find_preset, shipped_presets_dir
from wmse_tui.config.methods import Intl
from wmse_tui.config.sections.optimizer import Sgd
from wmse_tui.config.sections.projector import Projector
from wmse_tui.config.sections.schedule import CosineSchedule

RESULTS = {"cifar10": (92.60, 90.03), "cifar100": (70.88, 61.90)}


@pytest.mark.parametrize("dataset", RESULTS)
def test_a_preset_follows_the_authors_recipe(dataset: str) -> None:
    experiment = find_preset(f"{dataset}-intl").experiment
    assert experiment.method == Intl(steps=4, axis="channel", trace_weight=None)
    assert experiment.projector == Projector(layers=3, hidden=2048, dim=2048, batch_norm=True)
    assert experiment.optimizer == Sgd(lr=0.3, weight_decay=1e-4, momentum=0.9, nesterov=False)
    assert experiment.schedule == CosineSchedule(
        epochs=1000,
        batch_size=256,
        warmup_steps=2 * (50_000 // 256),  # two epochs
        final_factor=0.001,
    )
    augmentation = experiment.augmentation
    assert (augmentation.brightness, augmentation.contrast, augmentation.saturation) == (0.4, 0.4, 0.2)
    assert (augmentation.hue, augmentation.jitter_p, augmentation.grayscale_p) == (0.1, 0.8, 0.2)
    assert (augmentation.views, augmentation.crop_scale, augmentation.blur_p) == (2, (0.08, 1.0), 0.0)
    assert experiment.paper is not None
    assert (experiment.paper.linear, experiment.paper.knn) == RESULTS[dataset]


@pytest.mark.parametrize("dataset", RESULTS)
def test_a_preset_says_what_it_leaves_out(dataset: str) -> None:
    experiment = find_preset(f"{dataset}-intl").experiment
    assert experiment.title.endswith(", without solarisation")
    assert experiment.paper is not None
    assert "solarise" in experiment.paper.note
    first, command, machine, *_ = (shipped_presets_dir() / f"{dataset}-intl.yaml").read_text().splitlines()
    assert first.startswith(f"# {experiment.title.split(',')[0]}")
    assert all(f"{number:.2f} %" in first for number in RESULTS[dataset])
    assert command.split()[1:] == ["wmse-tui", "run", "--preset", f"{dataset}-intl"]
    assert machine.startswith("# Meant for ")
