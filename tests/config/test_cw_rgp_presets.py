"""The presets of CW-RGP against the recipe and the results of the authors, written out here a second time."""

from __future__ import annotations

import re

import pytest

from wmse_tui.config.loading import find_preset, shipped_presets_dir
from wmse_tui.config.methods import CwRgp

# data set, views: batch, slicings, whitening size, groups, embedding, hidden width, epochs, rate; results, %
RECIPES = {
    ("cifar10", 2): (256, 4, 64, 4, 512, 1024, 1000, 3e-3, 91.92, 89.54),
    ("cifar10", 4): (256, 1, 64, 4, 512, 1024, 1000, 3e-3, 92.47, 90.74),
    ("cifar100", 2): (512, 1, 64, 4, 512, 1024, 1000, 3e-3, 67.51, 57.35),
    ("cifar100", 4): (256, 1, 64, 4, 512, 1024, 1000, 3e-3, 68.26, 58.67),
    ("stl10", 2): (512, 1, 64, 4, 512, 1024, 2000, 2e-3, 90.76, 87.34),
    ("stl10", 4): (256, 1, 64, 4, 512, 1024, 2000, 2e-3, 92.04, 88.95),
    ("tiny_imagenet", 2): (512, 1, 128, 2, 1024, 2048, 1000, 2e-3, 49.23, 34.04),
    ("tiny_imagenet", 4): (256, 1, 128, 2, 1024, 2048, 1000, 2e-3, 50.24, 35.99),
}


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_preset_follows_the_authors_recipe(recipe: tuple[str, int]) -> None:
    dataset, views = recipe
    batch, iterations, size, groups, dim, hidden, epochs, lr, linear, knn = RECIPES[recipe]
    experiment = find_preset(f"{dataset}-cwrgp{views}").experiment
    base = find_preset(dataset).experiment
    assert experiment.method == CwRgp(
        whitening_size=size,
        groups=groups,
        partition="random",
        axis="channel",
        iterations=iterations,
        eps=0.0,
        normalize=True,
    )
    assert experiment.projector.model_dump() == {
        "layers": 2,
        "hidden": hidden,
        "dim": dim,
        "batch_norm": True,
    }
    assert (experiment.schedule.epochs, experiment.schedule.batch_size) == (epochs, batch)
    assert experiment.optimizer.lr == lr
    # In all else it is the recipe of W-MSE: the authors' code grew out of that.
    assert experiment.augmentation.model_dump(exclude={"views"}) == base.augmentation.model_dump(
        exclude={"views"}
    )
    assert experiment.augmentation.views == views
    assert experiment.optimizer == base.optimizer
    same = {"batch_size"}
    assert experiment.schedule.model_dump(exclude=same) == base.schedule.model_dump(exclude=same)
    assert (experiment.dataset, experiment.backbone) == (base.dataset, base.backbone)
    assert experiment.paper is not None
    assert (experiment.paper.linear, experiment.paper.knn) == (linear, knn)
    assert "authors' code" in experiment.paper.source
    assert "zero_init_residual" in experiment.paper.note


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_file_opens_with_what_it_is_how_it_is_run_and_for_which_machine(recipe: tuple[str, int]) -> None:
    name = f"{recipe[0]}-cwrgp{recipe[1]}"
    comment = re.match(r"(?:#.*\n)+", (shipped_presets_dir() / f"{name}.yaml").read_text())
    assert comment is not None
    first, command, machine = comment[0].splitlines()[:3]
    experiment = find_preset(name).experiment
    assert first[2:].startswith(experiment.title.split(",")[0])
    assert command.split()[1:5] == ["wmse-tui", "run", "--preset", name]
    assert machine.startswith("# Meant for ")
    assert f"{experiment.schedule.batch_size} images of {experiment.augmentation.views} views" in machine
    for number in RECIPES[recipe][-2:]:
        assert f"{number:.2f} %" in first
