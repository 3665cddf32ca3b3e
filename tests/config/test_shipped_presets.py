"""The shipped presets against recipe and results of the W-MSE paper, written out here a second time."""

from __future__ import annotations

import re

import pytest

from wmse_tui.config.figures import steps_per_epoch, total_steps
from wmse_tui.config.loading import find_preset, preset_names, shipped_presets_dir
from wmse_tui.config.methods import Byol, SimClr, WMse
from wmse_tui.config.sections.optimizer import Adam
from wmse_tui.config.sections.schedule import StepSchedule

# epochs, rate, embedding size, whitening size, slicings of W-MSE 2, training crop, test resize, test crop
RECIPES = {
    "cifar10": (1000, 3e-3, 64, 128, 1, 32, None, None),
    "cifar100": (1000, 3e-3, 64, 128, 1, 32, None, None),
    "stl10": (2000, 2e-3, 128, 256, 4, 64, 70, 64),
    "tiny_imagenet": (1000, 2e-3, 128, 256, 4, 64, None, None),
    "imagenet100": (240, 2e-3, 128, 256, 1, 224, 256, 224),
}
# linear and 5-NN accuracy, %, as printed; the cells that could not be checked are empty
RESULTS = {
    "cifar10": (91.55, 89.69),
    "cifar10-wmse4": (91.99, 89.87),
    "cifar10-simclr": (91.80, 88.42),
    "cifar10-byol": (91.73, 89.45),
    "cifar100": (66.10, 56.69),
    "cifar100-wmse4": (67.64, 56.45),
    "cifar100-simclr": (66.83, 56.56),
    "cifar100-byol": (66.60, 56.82),
    "stl10": (90.36, 87.10),
    "stl10-wmse4": (None, None),
    "stl10-simclr": (90.51, 85.68),
    "stl10-byol": (91.99, 88.64),
    "tiny_imagenet": (48.20, 34.16),
    "tiny_imagenet-wmse4": (49.20, 35.44),
    "tiny_imagenet-simclr": (48.84, 32.86),
    "tiny_imagenet-byol": (51.00, 36.24),
    "imagenet100": (None, None),
    "imagenet100-wmse4": (None, None),
}


def test_the_presets_of_the_paper_are_these() -> None:
    """Those of other publications have tests of their own."""
    papers = {name: find_preset(name).experiment.paper for name in preset_names()}
    of_the_paper = {name for name, paper in papers.items() if paper and "Ermolov" in paper.source}
    assert of_the_paper == set(RESULTS)


@pytest.mark.parametrize("name", RESULTS)
def test_a_preset_follows_the_recipe_of_its_data_set(name: str) -> None:
    dataset, _, kind = name.partition("-")
    epochs, lr, dim, whitening_size, iterations, crop, eval_resize, eval_crop = RECIPES[dataset]
    experiment = find_preset(name).experiment
    four = kind == "wmse4"

    assert experiment.dataset.name == dataset
    assert (experiment.dataset.crop, experiment.dataset.eval_resize, experiment.dataset.eval_crop) == (
        crop,
        eval_resize,
        eval_crop,
    )
    assert (experiment.dataset.train_images, experiment.dataset.test_images) == (None, None)
    assert (experiment.dataset.mean, experiment.dataset.std) == (None, None)
    assert (experiment.backbone.arch, experiment.backbone.stem) == ("resnet18", "auto")
    assert (experiment.projector.layers, experiment.projector.hidden, experiment.projector.dim) == (
        2,
        1024,
        dim,
    )
    assert experiment.projector.batch_norm
    assert experiment.optimizer == Adam(lr=lr, weight_decay=1e-6, beta1=0.9, beta2=0.999)
    assert experiment.schedule == StepSchedule(
        epochs=epochs, batch_size=256 if four else 512, warmup_steps=500, milestones=(50, 25), gamma=0.2
    )
    assert experiment.augmentation.views == (4 if four else 2)
    methods = {
        "": WMse(whitening_size=whitening_size, iterations=iterations, eps=0.0, normalize=True),
        "wmse4": WMse(whitening_size=whitening_size, iterations=1, eps=0.0, normalize=True),
        "simclr": SimClr(temperature=0.5, output_batch_norm=True),
        "byol": Byol(predictor_hidden=1024, momentum=0.99),
    }
    assert experiment.method == methods[kind]


@pytest.mark.parametrize("name", RESULTS)
def test_a_preset_augments_as_the_paper(name: str) -> None:
    imagenet = name.startswith("imagenet")
    augmentation = find_preset(name).experiment.augmentation.model_dump(exclude={"views"})
    assert augmentation == {
        "brightness": 0.8 if imagenet else 0.4,
        "contrast": 0.8 if imagenet else 0.4,
        "saturation": 0.8 if imagenet else 0.4,
        "hue": 0.2 if imagenet else 0.1,
        "jitter_p": 0.8,
        "invert_p": 0.0,
        "grayscale_p": 0.2 if imagenet else 0.1,
        "crop_scale": (0.08 if imagenet else 0.2, 1.0),
        "crop_ratio": (3 / 4, 4 / 3),
        "flip_p": 0.5,
        "blur_p": 0.5 if imagenet else 0.0,
        "blur_sigma": (0.1, 2.0),
    }


@pytest.mark.parametrize("name", RESULTS)
def test_a_preset_evaluates_as_the_paper(name: str) -> None:
    evaluation = find_preset(name).experiment.evaluation
    assert (evaluation.every, evaluation.every_after_drop) == (20, 5)
    assert (evaluation.knn, evaluation.neighbours) == ("euclidean", 5)
    assert (evaluation.linear, evaluation.linear_epochs, evaluation.linear_at) == ("adam", 500, "every")


@pytest.mark.parametrize("name", RESULTS)
def test_a_preset_carries_the_published_number_and_where_it_stands(name: str) -> None:
    paper = find_preset(name).experiment.paper
    assert paper is not None
    assert (paper.linear, paper.knn) == RESULTS[name]
    assert paper.source.startswith("Ermolov et al. 2021, Table ")
    if paper.linear is None:
        assert paper.note.startswith("unverified")
    else:
        assert "as reprinted in" in paper.source
        assert "unverified" not in paper.note


@pytest.mark.parametrize("name", RESULTS)
def test_a_batch_has_1024_views_and_whole_slices(name: str) -> None:
    experiment = find_preset(name).experiment
    assert experiment.schedule.batch_size * experiment.augmentation.views == 1024
    if isinstance(experiment.method, WMse):
        assert experiment.method.whitening_size == 2 * experiment.projector.dim


@pytest.mark.parametrize("name", [*RESULTS, "quickstart"])
def test_a_file_opens_with_what_it_is_how_it_is_run_and_for_which_machine(name: str) -> None:
    text = (shipped_presets_dir() / f"{name}.yaml").read_text()
    comment = re.match(r"(?:#.*\n)+", text)
    assert comment is not None
    first, command, machine = comment[0].splitlines()[:3]
    experiment = find_preset(name).experiment
    assert first[2:].startswith(experiment.title.split(",")[0])
    assert command.split()[1:5] == ["wmse-tui", "run", "--preset", name]
    assert machine.startswith("# Meant for ")
    for number in RESULTS.get(name, ()):
        assert number is None or f"{number:.2f} %" in first


def test_no_two_presets_have_one_title() -> None:
    titles = [find_preset(name).experiment.title for name in preset_names()]
    assert len(set(titles)) == len(titles)


def test_quickstart_is_small_nearly_grey_and_downloads_nothing() -> None:
    experiment = find_preset("quickstart").experiment
    dataset = experiment.dataset
    assert (dataset.name, dataset.train_images, dataset.test_images) == ("patterns", 5000, 1000)
    # Views of 24 pixels are quick; the encoder is judged on whole images.
    assert (dataset.crop, dataset.eval_crop) == (24, 32)
    assert (
        experiment.augmentation.hue,
        experiment.augmentation.saturation,
        experiment.augmentation.grayscale_p,
    ) == (0, 0, 0)
    assert experiment.augmentation.invert_p == 0.5
    assert (experiment.augmentation.brightness, experiment.augmentation.contrast) == (0.6, 0.6)
    assert experiment.backbone.arch == "cifar_resnet8"
    assert (experiment.projector.dim, experiment.schedule.batch_size) == (32, 256)
    assert isinstance(experiment.method, WMse)
    assert experiment.method.whitening_size == 64
    assert (experiment.evaluation.linear, experiment.evaluation.linear_at) == ("lbfgs", "end")
    assert experiment.evaluation.raw_pixels
    assert experiment.paper is None


def test_the_length_of_the_papers_run_on_cifar10() -> None:
    experiment = find_preset("cifar10").experiment
    assert steps_per_epoch(experiment) == 97
    assert total_steps(experiment) == 97_000
