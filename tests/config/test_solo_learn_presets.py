"""The presets that follow the toolkit solo-learn, written out here a second time."""

from __future__ import annotations

import pytest

from wmse_tui.config.loading import find_preset, preset_names, shipped_presets_dir
from wmse_tui.config.methods import BarlowTwins, SimSiam, VibcReg, VicReg
from wmse_tui.config.sections.optimizer import Lars, Sgd
from wmse_tui.config.sections.projector import Projector
from wmse_tui.config.sections.schedule import CosineSchedule

LARS = Lars(lr=0.3, weight_decay=1e-4, momentum=0.9, trust=0.02, clip=True)
METHODS = {
    "barlow_twins": (BarlowTwins(redundancy=0.0051, scale=0.1), LARS),
    "vicreg": (VicReg(invariance=25, variance=25, covariance=1), LARS),
    "vibcreg": (
        VibcReg(invariance=25, variance=25, correlation=200, steps=5, groups=64),
        LARS.model_copy(update={"clip": False}),
    ),
    "simsiam": (
        SimSiam(predictor_hidden=512, predictor_rate="constant", output_batch_norm=True),
        Sgd(lr=0.5, weight_decay=1e-5, momentum=0.9),
    ),
}
# linear accuracy, %, as printed in the toolkit's README; it prints no 5-NN
RESULTS = {
    "cifar10-barlow_twins": 92.10,
    "cifar10-simsiam": 90.51,
    "cifar10-vicreg": 92.07,
    "cifar10-vibcreg": 91.18,
    "cifar100-barlow_twins": 70.90,
    "cifar100-simsiam": 66.04,
    "cifar100-vicreg": 68.54,
    "cifar100-vibcreg": 67.37,
}


def test_the_presets_of_the_toolkit_are_these() -> None:
    papers = {name: find_preset(name).experiment.paper for name in preset_names()}
    assert {name for name, paper in papers.items() if paper and "solo-learn" in paper.source} == set(RESULTS)


@pytest.mark.parametrize("name", RESULTS)
def test_a_preset_follows_the_recipe(name: str) -> None:
    experiment = find_preset(name).experiment
    dataset, _, method = name.partition("-")
    assert (experiment.dataset.name, experiment.backbone.arch) == (dataset, "resnet18")
    assert (experiment.method, experiment.optimizer) == METHODS[method]
    assert experiment.projector == Projector(layers=3, hidden=2048, dim=2048, batch_norm=True)
    assert experiment.schedule == CosineSchedule(
        epochs=1000,
        batch_size=256,
        warmup_steps=10 * (50_000 // 256),  # ten epochs
        final_factor=0.0,
    )
    augmentation = experiment.augmentation
    assert (augmentation.brightness, augmentation.contrast, augmentation.hue) == (0.4, 0.4, 0.1)
    assert augmentation.saturation == (0.4 if method == "simsiam" else 0.2)
    assert augmentation.blur_p == (0.5 if method == "simsiam" else 0.0)
    assert (augmentation.views, augmentation.grayscale_p, augmentation.jitter_p) == (2, 0.2, 0.8)
    assert augmentation.crop_scale == (0.08 if method in ("barlow_twins", "simsiam") else 0.2, 1.0)


@pytest.mark.parametrize("name", RESULTS)
def test_a_preset_carries_the_number_and_says_what_differs(name: str) -> None:
    experiment = find_preset(name).experiment
    paper = experiment.paper
    assert paper is not None
    assert (paper.linear, paper.knn) == (RESULTS[name], None)
    assert paper.source == "README of solo-learn (vturrisi/solo-learn)"
    assert paper.note.startswith("that toolkit's own run; its probe learns along with the encoder")
    assert ("solarises" in paper.note) == experiment.title.endswith(", without solarisation")
    assert ("solarises" in paper.note) == (not name.endswith("simsiam"))
    first, command, machine, *_ = (shipped_presets_dir() / f"{name}.yaml").read_text().splitlines()
    assert first.startswith(f"# {experiment.title.split(',')[0]}")
    assert f"{RESULTS[name]:.2f} %" in first
    assert command.split()[1:] == ["wmse-tui", "run", "--preset", name]
    assert machine.startswith("# Meant for ")


def test_the_ranking_claims_no_number_and_says_whose_relaxation_it_is() -> None:
    experiment = find_preset("cifar10-s2r2").experiment
    assert experiment.paper is None
    assert experiment.augmentation.views == 4
    assert "the relaxation is ours" in (shipped_presets_dir() / "cifar10-s2r2.yaml").read_text()
