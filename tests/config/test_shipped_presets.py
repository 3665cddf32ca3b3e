"""The shipped presets against recipes and results of their publications, written out here a second time."""

from __future__ import annotations

import functools

import pytest

from wmse_tui.config.figures import steps_per_epoch, total_steps
from wmse_tui.config.ineffective import ineffective_options
from wmse_tui.config.loading import find_preset, preset_names, shipped_presets_dir
from wmse_tui.config.methods import (
    BarlowTwins,
    Byol,
    CwRgp,
    Intl,
    ShuffledDbn,
    SimClr,
    SimSiam,
    VibcReg,
    VicReg,
    WMse,
    ZeroCl,
)
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.optimizer import Adam, Lars, Sgd
from wmse_tui.config.sections.paper import Paper
from wmse_tui.config.sections.projector import Projector
from wmse_tui.config.sections.schedule import CosineSchedule, StepSchedule


def published(experiment: Experiment) -> Paper:
    assert experiment.paper is not None
    return experiment.paper


@functools.cache
def papers() -> dict[str, Paper | None]:
    return {name: find_preset(name).experiment.paper for name in preset_names()}


def names_published_in(source: str) -> set[str]:
    return {name for name, paper in papers().items() if paper and source in paper.source}


def names_with(number: str) -> list[str]:
    """The presets whose publication has a number of this kind."""
    return [name for name, paper in papers().items() if paper and getattr(paper, number) is not None]


# All presets


def test_a_file_opens_with_its_title_its_numbers_its_command_and_its_machine() -> None:
    missing = []
    for name in preset_names():
        first, command, machine, *_ = (shipped_presets_dir() / f"{name}.yaml").read_text().splitlines()
        experiment = find_preset(name).experiment
        title = experiment.title.split(",")[0]
        if not first.startswith(f"# {title}"):
            missing.append(f"{name}: the first line does not begin with {title!r}")
        numbers = [] if experiment.paper is None else [experiment.paper.linear, experiment.paper.knn]
        missing += [
            f"{name}: the first line lacks {number:.2f} %"
            for number in numbers
            if number is not None and f"{number:.2f} %" not in first
        ]
        if command.split()[1:5] != ["wmse-tui", "run", "--preset", name]:
            missing.append(f"{name}: the second line is not its command")
        if not machine.startswith("# Meant for "):
            missing.append(f"{name}: the third line does not name a machine")
    assert not missing, "\n".join(missing)


def test_no_two_presets_have_one_title() -> None:
    titles = [find_preset(name).experiment.title for name in preset_names()]
    assert len(set(titles)) == len(titles)


def test_no_preset_sets_an_option_without_effect() -> None:
    found = {name: list(ineffective_options(find_preset(name).experiment)) for name in preset_names()}
    assert not any(found.values()), found


# W-MSE and its baselines (Ermolov et al. 2021)

# epochs, rate, embedding size, whitening size, slicings of W-MSE 2, training crop, test resize, test crop
WMSE_RECIPES = {
    "cifar10": (1000, 3e-3, 64, 128, 1, 32, None, None),
    "cifar100": (1000, 3e-3, 64, 128, 1, 32, None, None),
    "stl10": (2000, 2e-3, 128, 256, 4, 64, 70, 64),
    "tiny_imagenet": (1000, 2e-3, 128, 256, 4, 64, None, None),
    "imagenet100": (240, 2e-3, 128, 256, 1, 224, 256, 224),
}
# linear and 5-NN accuracy, %, as printed; None where the number could not be verified
WMSE_RESULTS = {
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


def test_the_presets_of_the_wmse_paper_are_these() -> None:
    assert names_published_in("Ermolov") == set(WMSE_RESULTS)


@pytest.mark.parametrize("name", WMSE_RESULTS)
def test_a_preset_follows_the_wmse_paper(name: str) -> None:
    dataset, _, kind = name.partition("-")
    epochs, lr, dim, whitening_size, iterations, crop, eval_resize, eval_crop = WMSE_RECIPES[dataset]
    experiment = find_preset(name).experiment
    four = kind == "wmse4"
    data, projector, evaluation = experiment.dataset, experiment.projector, experiment.evaluation

    assert data.name == dataset
    assert (data.crop, data.eval_resize, data.eval_crop) == (crop, eval_resize, eval_crop)
    assert (data.train_images, data.test_images, data.mean, data.std) == (None, None, None, None)
    assert (experiment.backbone.arch, experiment.backbone.stem) == ("resnet18", "auto")
    assert projector == Projector(layers=2, hidden=1024, dim=dim, batch_norm=True)
    assert experiment.optimizer == Adam(lr=lr, weight_decay=1e-6, beta1=0.9, beta2=0.999)
    assert experiment.schedule == StepSchedule(
        epochs=epochs, batch_size=256 if four else 512, warmup_steps=500, milestones=(50, 25), gamma=0.2
    )
    methods = {
        "": WMse(whitening_size=whitening_size, iterations=iterations, eps=0.0, normalize=True),
        "wmse4": WMse(whitening_size=whitening_size, iterations=1, eps=0.0, normalize=True),
        "simclr": SimClr(temperature=0.5, output_batch_norm=True),
        "byol": Byol(predictor_hidden=1024, momentum=0.99),
    }
    assert experiment.method == methods[kind]
    assert experiment.augmentation.views == (4 if four else 2)
    assert experiment.schedule.batch_size * experiment.augmentation.views == 1024
    if isinstance(experiment.method, WMse):
        assert experiment.method.whitening_size == 2 * projector.dim

    imagenet = dataset == "imagenet100"
    assert experiment.augmentation.model_dump(exclude={"views"}) == {
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
    assert (evaluation.every, evaluation.every_after_drop) == (20, 5)
    assert (evaluation.knn, evaluation.neighbours) == ("euclidean", 5)
    assert (evaluation.linear, evaluation.linear_epochs, evaluation.linear_at) == ("adam", 500, "end")

    paper = published(experiment)
    assert (paper.linear, paper.knn) == WMSE_RESULTS[name]
    assert paper.source.startswith("Ermolov et al. 2021, Table ")
    if paper.linear is None:
        assert paper.note.startswith("unverified")
    else:
        assert "as reprinted in" in paper.source
        assert "unverified" not in paper.note


@pytest.mark.parametrize("name", names_with("linear"))
def test_the_end_of_a_run_reports_the_published_probe(name: str) -> None:
    """And the published neighbours: the evaluation at the end has both, whatever `linear_at` is."""
    experiment = find_preset(name).experiment
    evaluation = experiment.evaluation
    assert (evaluation.linear, evaluation.linear_epochs) == ("adam", 500)
    if published(experiment).knn is not None:
        assert (evaluation.knn, evaluation.neighbours) == ("euclidean", 5)


def test_the_length_of_the_papers_run_on_cifar10() -> None:
    experiment = find_preset("cifar10").experiment
    assert steps_per_epoch(experiment) == 97
    assert total_steps(experiment) == 97_000


def test_quickstart_is_small_nearly_grey_and_downloads_nothing() -> None:
    experiment = find_preset("quickstart").experiment
    dataset, augmentation = experiment.dataset, experiment.augmentation
    assert (dataset.name, dataset.train_images, dataset.test_images) == ("patterns", 5000, 1000)
    # Views of 24 pixels are quick; the encoder is evaluated on whole images.
    assert (dataset.crop, dataset.eval_crop) == (24, 32)
    assert (augmentation.hue, augmentation.saturation, augmentation.grayscale_p) == (0, 0, 0)
    assert augmentation.invert_p == 0.5
    assert (augmentation.brightness, augmentation.contrast) == (0.6, 0.6)
    assert experiment.backbone.arch == "cifar_resnet8"
    assert (experiment.projector.dim, experiment.schedule.batch_size) == (32, 256)
    assert isinstance(experiment.method, WMse)
    assert experiment.method.whitening_size == 64
    assert (experiment.evaluation.linear, experiment.evaluation.linear_at) == ("lbfgs", "end")
    assert experiment.evaluation.raw_pixels
    assert experiment.paper is None


# CW-RGP (Weng et al. 2022)

# data set, views: batch, slicings, whitening size, groups, embedding, hidden width, epochs, rate; results, %
CW_RGP = {
    ("cifar10", 2): (256, 4, 64, 4, 512, 1024, 1000, 3e-3, 91.92, 89.54),
    ("cifar10", 4): (256, 1, 64, 4, 512, 1024, 1000, 3e-3, 92.47, 90.74),
    ("cifar100", 2): (512, 1, 64, 4, 512, 1024, 1000, 3e-3, 67.51, 57.35),
    ("cifar100", 4): (256, 1, 64, 4, 512, 1024, 1000, 3e-3, 68.26, 58.67),
    ("stl10", 2): (512, 1, 64, 4, 512, 1024, 2000, 2e-3, 90.76, 87.34),
    ("stl10", 4): (256, 1, 64, 4, 512, 1024, 2000, 2e-3, 92.04, 88.95),
    ("tiny_imagenet", 2): (512, 1, 128, 2, 1024, 2048, 1000, 2e-3, 49.23, 34.04),
    ("tiny_imagenet", 4): (256, 1, 128, 2, 1024, 2048, 1000, 2e-3, 50.24, 35.99),
}


@pytest.mark.parametrize("recipe", CW_RGP, ids=str)
def test_a_preset_follows_the_authors_of_cw_rgp(recipe: tuple[str, int]) -> None:
    dataset, views = recipe
    batch, iterations, size, groups, dim, hidden, epochs, lr, linear, knn = CW_RGP[recipe]
    name = f"{dataset}-cwrgp{views}"
    experiment = find_preset(name).experiment
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
    assert experiment.projector == Projector(layers=2, hidden=hidden, dim=dim, batch_norm=True)
    assert (experiment.schedule.epochs, experiment.schedule.batch_size) == (epochs, batch)
    assert experiment.optimizer.lr == lr
    # In all else it is the recipe of W-MSE, from whose code the authors' grew.
    assert experiment.augmentation == base.augmentation.model_copy(update={"views": views})
    assert experiment.optimizer == base.optimizer
    assert experiment.schedule == base.schedule.model_copy(update={"batch_size": batch})
    assert (experiment.dataset, experiment.backbone) == (base.dataset, base.backbone)
    paper = published(experiment)
    assert (paper.linear, paper.knn) == (linear, knn)
    assert "authors' code" in paper.source
    assert "zero_init_residual" in paper.note
    machine = (shipped_presets_dir() / f"{name}.yaml").read_text().splitlines()[2]
    assert f"{batch} images of {views} views" in machine


# INTL (Weng et al. 2024)

INTL_RESULTS = {"cifar10": (92.60, 90.03), "cifar100": (70.88, 61.90)}


@pytest.mark.parametrize("dataset", INTL_RESULTS)
def test_a_preset_follows_the_authors_of_intl_and_names_what_it_leaves_out(dataset: str) -> None:
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
    paper = published(experiment)
    assert (paper.linear, paper.knn) == INTL_RESULTS[dataset]
    assert experiment.title.endswith(", without solarisation")
    assert "solarise" in paper.note


# The toolkit solo-learn

LARS = Lars(lr=0.3, weight_decay=1e-4, momentum=0.9, trust=0.02, clip=True)
SOLO_METHODS = {
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
SOLO_RESULTS = {
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
    assert names_published_in("solo-learn") == set(SOLO_RESULTS)


@pytest.mark.parametrize("name", SOLO_RESULTS)
def test_a_preset_follows_the_toolkit_and_names_what_differs(name: str) -> None:
    experiment = find_preset(name).experiment
    dataset, _, method = name.partition("-")
    simsiam = method == "simsiam"
    assert (experiment.dataset.name, experiment.backbone.arch) == (dataset, "resnet18")
    assert (experiment.method, experiment.optimizer) == SOLO_METHODS[method]
    assert experiment.projector == Projector(layers=3, hidden=2048, dim=2048, batch_norm=True)
    assert experiment.schedule == CosineSchedule(
        epochs=1000,
        batch_size=256,
        warmup_steps=10 * (50_000 // 256),  # ten epochs
        final_factor=0.0,
    )
    augmentation = experiment.augmentation
    assert (augmentation.brightness, augmentation.contrast, augmentation.hue) == (0.4, 0.4, 0.1)
    assert augmentation.saturation == (0.4 if simsiam else 0.2)
    assert augmentation.blur_p == (0.5 if simsiam else 0.0)
    assert (augmentation.views, augmentation.grayscale_p, augmentation.jitter_p) == (2, 0.2, 0.8)
    assert augmentation.crop_scale == (0.08 if method in ("barlow_twins", "simsiam") else 0.2, 1.0)
    paper = published(experiment)
    assert (paper.linear, paper.knn) == (SOLO_RESULTS[name], None)
    assert paper.source == "README of solo-learn (vturrisi/solo-learn)"
    assert paper.note.startswith("that toolkit's own run; its probe learns along with the encoder")
    assert ("solarises" in paper.note) == experiment.title.endswith(", without solarisation")
    assert ("solarises" in paper.note) == (not simsiam)


# Recipes without a number


def test_zero_icl_follows_the_authors_where_it_can_and_names_where_it_does_not() -> None:
    experiment = find_preset("cifar10-zero_icl").experiment
    assert experiment.title == "Zero-ICL on CIFAR-10, with the views of W-MSE"
    assert experiment.method == ZeroCl(variant="instance", ridge=0.01)
    assert experiment.projector == Projector(layers=3, hidden=8192, dim=8192, batch_norm=True)
    assert experiment.schedule == CosineSchedule(
        epochs=1000,
        batch_size=256,
        warmup_steps=10 * (50_000 // 256),  # ten epochs
        final_factor=0.001,
    )
    assert experiment.optimizer == Lars(lr=0.3, bias_lr=0.0048, weight_decay=1e-6, momentum=0.9, trust=0.001)
    assert experiment.paper is None


def test_shuffled_dbn_follows_the_authors_configuration_and_claims_no_number() -> None:
    experiment = find_preset("cifar10-shuffled_dbn").experiment
    assert experiment.method == ShuffledDbn(groups=8, partition="random", eps=0.0)
    assert experiment.projector == Projector(layers=2, hidden=1024, dim=512, batch_norm=True)
    assert experiment.optimizer == Sgd(lr=0.02 * 512 / 256, weight_decay=1e-3, momentum=0.9)
    assert experiment.schedule == CosineSchedule(
        epochs=200,
        batch_size=512,
        warmup_steps=5 * (50_000 // 512),  # five epochs
        final_factor=0.0,
    )
    augmentation = experiment.augmentation
    assert (augmentation.brightness, augmentation.contrast, augmentation.saturation) == (0.4, 0.4, 0.4)
    assert (augmentation.hue, augmentation.jitter_p, augmentation.grayscale_p) == (0.1, 0.8, 0.2)
    assert (augmentation.views, augmentation.crop_scale, augmentation.blur_p) == (2, (0.2, 1.0), 0.0)
    assert experiment.paper is None


def test_the_ranking_claims_no_number_and_names_its_relaxation_as_ours() -> None:
    experiment = find_preset("cifar10-s2r2").experiment
    assert experiment.paper is None
    assert experiment.augmentation.views == 4
    assert "the relaxation is ours" in (shipped_presets_dir() / "cifar10-s2r2.yaml").read_text()
