"""Options that cannot work together: each rule, its message, and that all are reported at once."""

from __future__ import annotations

import pytest

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.problems import ConfigError

RULES = [
    (
        ["backbone.norm_images=100"],
        "512 images cannot be divided into groups of 100; use 128, or another divisor of 512",
    ),
    (
        ["backbone.norm_images=256", "compute.devices=4"],
        "128 images on each of 4 devices cannot be divided into groups of 256; use 128, or another divisor",
    ),
    (
        ["backbone.norm_images=32", "backbone.norm=sw2"],
        (
            "backbone.norm_images: backbone.norm is sw2, and only batch has groups of images; "
            "remove it, or set backbone.norm=batch"
        ),
    ),
    (["compute.devices=[0, 0]"], "--set compute.devices: [0, 0] names a GPU twice; write [0]"),
    (
        ["compute.devices=[0, 2]", "compute.device=cpu"],
        "compute.devices: [0, 2] are GPUs, and device=cpu; set device=auto, or write 2 for as many processes",
    ),
    (
        ["compute.devices=[1]", "compute.device=cuda:1"],
        (
            "compute.devices: device=cuda:1 is one device, and devices=[1]; "
            "set device=cuda, and write the numbers of the GPUs, such as [0, 1]"
        ),
    ),
    (
        ["compute.devices=[0, 1, 3]"],
        "512 images cannot be divided among 3 devices; name 2, or set schedule.batch_size=513",
    ),
    (
        ["compute.devices=[0, 1]", "compute.compile=auto"],
        "compute.devices: compile=auto is for one device, and devices=[0, 1]; set compile=off",
    ),
    (
        ["method.whitening_size=64"],
        (
            "--set method.whitening_size: 64 images cannot whiten 64 dimensions; "
            "use more than 64; the paper uses 128"
        ),
    ),
    (
        ["schedule.batch_size=500"],
        (
            "--set schedule.batch_size: 500 images cannot be cut into slices of 128 (method.whitening_size); "
            "use 384 or 512"
        ),
    ),
    (
        ["schedule.batch_size=64"],
        (
            "--set schedule.batch_size: a batch of 64 images is smaller than a slice of 128 "
            "(method.whitening_size); use a multiple of 128"
        ),
    ),
    (
        ["method.steps=7"],
        (
            "--set method.steps: the operator is cholesky, and only the iterative one has steps; "
            "set method.operator=iterative, or remove it"
        ),
    ),
    (
        ["method={operator: none, eps: 0.1}"],
        "method.eps: the operator is none: there is no covariance to shrink; remove it",
    ),
    (
        ["method={operator: none, iterations: 2}"],
        (
            "method.iterations: the operator is none: slices change nothing, however often they are drawn; "
            "set it to 1"
        ),
    ),
    (
        ["backbone.norm_width=8"],
        (
            "--set backbone.norm_width: backbone.norm is batch, and only switchable whitening uses it; "
            "set backbone.norm=sw2, or remove it"
        ),
    ),
    (
        ["backbone={arch: cifar_resnet8, norm: sw2}"],
        (
            "backbone.norm: switchable whitening exists for torchvision's ResNets, not for cifar_resnet8; "
            "use batch, or backbone.arch=resnet18"
        ),
    ),
    (
        ["backbone={norm: sw3, norm_width: 12}"],
        (
            "backbone.norm_width: 64 channels cannot be divided into groups of 12; "
            "use 8 or 16; 16 as published"
        ),
    ),
    (
        ["backbone={norm: sw2, stem: imagenet}", "dataset={crop: 16, eval_resize: 16}"],
        (
            "backbone.norm: views of 16 px leave maps of one pixel in the third stage, which have no "
            "covariance of their own; use a larger dataset.crop, or another backbone.stem"
        ),
    ),
    (
        ["backbone.whitening_momentum=0.5"],
        (
            "--set backbone.whitening_momentum: backbone.whitening is none, and only a whitening layer uses "
            "it; set backbone.whitening=iterative, or remove it"
        ),
    ),
    (
        ["backbone={whitening: zca, whitening_steps: 7, whitening_groups: 8}"],
        "backbone.whitening_steps: the layer is zca, and only the iterative one has steps",
    ),
    (
        ["backbone={whitening: standardise, whitening_groups: 2}"],
        "backbone.whitening_groups: the layer scales each feature by itself: groups change nothing",
    ),
    (
        ["backbone={whitening: iterative, whitening_groups: 7}"],
        (
            "backbone.whitening_groups: the 512 features of resnet18 cannot be divided into 7 groups of "
            "equal width; use 8, or another divisor of 512"
        ),
    ),
    (
        ["backbone.whitening=cholesky"],
        (
            "schedule.batch_size: 512 images cannot whiten 512 features; use more than 512, or set more "
            "backbone.whitening_groups, backbone.whitening_eps to 0.001 or more, or "
            "backbone.whitening=iterative"
        ),
    ),
    (
        ["backbone={whitening: cholesky, views: together}", "schedule.batch_size=256"],
        (
            "schedule.batch_size: 512 images cannot whiten 512 features; use more than 512, or set more "
            "backbone.whitening_groups, backbone.whitening_eps to 0.001 or more, or "
            "backbone.whitening=iterative"
        ),
    ),
    (
        ["backbone={whitening: zca, whitening_groups: 2}", "evaluation.batch_size=512"],
        (
            "--set evaluation.batch_size: batches of 512 images may leave too few in one to whiten 256 "
            "features; use more than 512"
        ),
    ),
    (
        ["evaluation.lidar_images=1"],
        "--set evaluation.lidar_images: one image cannot be distinguished from others; use 2 or more",
    ),
    (
        ["evaluation.lidar_images=60000"],
        "--set evaluation.lidar_images: there are 50000 training images, not 60000; use at most 50000",
    ),
    (
        ["evaluation.lidar_views=4"],
        (
            "--set evaluation.lidar_views: LiDAR uses no images; "
            "set evaluation.lidar_images (to 1000, for example), or remove it"
        ),
    ),
    (
        ["method.relative_eps=true"],
        (
            "--set method.relative_eps: the shrinkage (method.eps) is 0, which is the same on every scale; "
            "set method.eps above 0, or remove it"
        ),
    ),
    (
        ["method={operator: zca, whitening_size: 64}"],
        "method.whitening_size: 64 images cannot whiten 64 dimensions",
    ),
    (
        ["method.name=cw_rgp"],
        (
            "method.groups: 4 groups of 16 channels cannot whiten 64 images (method.whitening_size); "
            "set projector.dim above 256 (512, say), or use fewer groups, or fewer than 16 images"
        ),
    ),
    (
        ["method={name: cw_rgp, groups: 1}"],
        "method.groups: 1 group of 64 channels cannot whiten 64 images (method.whitening_size)",
    ),
    (
        ["method={name: cw_rgp, groups: 3}", "projector.dim=512"],
        (
            "--set method: method.groups: 512 dimensions cannot be divided into 3 groups of equal width; "
            "use 2, or another divisor of 512"
        ),
    ),
    (
        ["method={name: cw_rgp, groups: 1, partition: fixed}", "projector.dim=512"],
        "method.partition: there is one group (method.groups), and nothing to partition; remove it",
    ),
    (
        ["method={name: cw_rgp, axis: batch}", "projector.dim=512"],
        (
            "method.whitening_size: 64 images cannot whiten 4 groups of 128 channels; "
            "use more than 128 images, or more groups"
        ),
    ),
    (
        ["method.name=cw_rgp", "projector.dim=512", "schedule.batch_size=500"],
        (
            "schedule.batch_size: 500 images cannot be cut into slices of 64 (method.whitening_size); "
            "use 448 or 512"
        ),
    ),
    (
        ["method={name: shuffled_dbn, groups: 5}"],
        "method.groups: 64 dimensions cannot be divided into 5 groups of equal width; use 4, or another",
    ),
    (
        ["method={name: shuffled_dbn, groups: 1}", "schedule.batch_size=64"],
        (
            "method.groups: a batch of 64 images cannot whiten groups of 64 channels; "
            "use 2 groups or more, or a larger schedule.batch_size"
        ),
    ),
    (
        ["method={name: shuffled_dbn, groups: 1, partition: fixed}"],
        "method.partition: there is one group (method.groups), and nothing to shuffle; remove it",
    ),
    (
        ["method={name: zero_cl, ridge: 0}", "projector.dim=512"],
        (
            "method.ridge: without it 512 features cannot be whitened over 512 images; "
            "set it above 0 (0.01 as published), or use a smaller projector.dim"
        ),
    ),
    (
        ["method={name: zero_cl, ridge: 0, variant: instance}"],
        "method.ridge: without it 512 images cannot be whitened over 64 features; set it above 0",
    ),
    (
        ["method={name: zero_cl}", "projector.dim=1"],
        "projector.dim: one feature correlates with nothing; use 2 or more",
    ),
    (
        ["method={name: barlow_twins}", "projector.dim=1"],
        "projector.dim: one dimension has no other to differ from; use 2 or more",
    ),
    (
        ["method={name: vicreg}", "projector.dim=1"],
        "projector.dim: one dimension varies with no other; use 2 or more",
    ),
    (
        ["method={name: intl}", "projector.dim=1"],
        (
            "projector.dim: an image of one channel is 0 once its mean is subtracted; use more (ideally "
            "above schedule.batch_size), or set method.axis=batch"
        ),
    ),
    (
        ["method={name: vibcreg, groups: 5}"],
        "method.groups: 64 dimensions cannot be divided into 5 groups of equal width; use 4, or another",
    ),
    (
        ["method={name: vibcreg, groups: 4, steps: 0}"],
        "method.groups: without Newton steps (method.steps) nothing is whitened; remove it",
    ),
    (
        ["method={name: s2r2, relaxation: smooth, bins: 10}"],
        (
            "method.bins: the relaxation is smooth, and only the quantised one has bins; "
            "set method.relaxation=quantised, or remove it"
        ),
    ),
    (
        ["method={name: s2r2, rank_temperature: 0.1}"],
        (
            "method.rank_temperature: the relaxation is quantised, and only the smooth one has a "
            "temperature; set method.relaxation=smooth, or remove it"
        ),
    ),
    (
        ["dataset.train_images=300"],
        "schedule.batch_size: 300 training images do not fill one batch of 512; use at most 300",
    ),
    (
        ["schedule.epochs=20"],
        (
            "--set schedule.epochs: schedule.milestones: a drop 50 epochs before the end does not fit in "
            "schedule.epochs=20; set schedule.milestones=[1], or [] for no drop"
        ),
    ),
    (
        ["schedule.milestones=[5, 5]"],
        "schedule.milestones: the same milestone is listed twice; list each one once",
    ),
    (
        ["optimizer={name: sgd, momentum: 0, nesterov: true}"],
        "optimizer.nesterov: Nesterov's step needs a momentum above 0; set optimizer.momentum=0.9",
    ),
    (
        ["backbone={arch: cifar_resnet8, stem: small}"],
        "backbone.stem: cifar_resnet8 has a stem of its own, not small; use auto",
    ),
    (
        ["dataset={eval_resize: 64, eval_crop: 65}"],
        "dataset.eval_crop: a square of 65 px does not fit into 64 px (dataset.eval_resize); use at most 64",
    ),
    (
        ["dataset={eval_resize: 64, crop: 65}"],
        "dataset.crop: a square of 65 px does not fit into 64 px (dataset.eval_resize); use at most 64",
    ),
    (
        ["dataset.eval_crop=33"],
        (
            "dataset.eval_crop: the 32 px test images of cifar10 are smaller than a square of 33 px; "
            "use at most 32, or set dataset.eval_resize to 33 or more"
        ),
    ),
    (
        ["dataset.crop=64"],
        (
            "dataset.crop: the 32 px test images of cifar10 are smaller than a square of 64 px; "
            "use at most 32, or set dataset.eval_resize to 64 or more"
        ),
    ),
    (
        ["dataset.train_images=50001"],
        "dataset.train_images: cifar10 has 50000 of them, not 50001; use fewer",
    ),
    (["dataset.test_images=10001"], "dataset.test_images: cifar10 has 10000 of them, not 10001; use fewer"),
    (
        ["dataset.name=folder"],
        "dataset.root: the data set `folder` needs the folder of your images; set it to that folder",
    ),
    (
        ["dataset.held_out=0.2"],
        (
            "dataset.held_out: cifar10 has a test set of its own, so nothing is held out; remove it; "
            "only the data set `folder` has it"
        ),
    ),
    (
        ["dataset.probe_train=/a"],
        "dataset.probe_train: a probe that is trained must be tested too; set dataset.probe_test",
    ),
    (
        ["dataset.probe_test=/a"],
        "dataset.probe_test: a probe that is tested must be trained too; set dataset.probe_train",
    ),
    (
        ["augmentation.crop_scale=[1, 0.2]"],
        "augmentation.crop_scale: from 1 to 0.2 runs backwards; write [0.2, 1]",
    ),
    (["augmentation.crop_ratio=[2, 1]"], "augmentation.crop_ratio: from 2 to 1 runs backwards; write [1, 2]"),
    (["augmentation.blur_sigma=[2, 1]"], "augmentation.blur_sigma: from 2 to 1 runs backwards; write [1, 2]"),
    (
        ["augmentation.crop_scale=[0.5, 1.5]"],
        "augmentation.crop_scale: a crop cannot be larger than its image; use at most 1.0",
    ),
    (
        ["evaluation.temperature=0.1"],
        (
            "evaluation.temperature: k-NN is euclidean, and only cosine k-NN has a temperature; "
            "set evaluation.knn=cosine, or remove it"
        ),
    ),
    (
        ["compute={loader: batched, workers: 2}"],
        "compute.workers: the batched loader has no worker processes; remove it, or set loader=workers",
    ),
    (
        ["dataset.name=imagenet100", "compute={loader: jpeg, workers: 2}"],
        "compute.workers: the jpeg loader has no worker processes; remove it, or set loader=workers",
    ),
    (
        ["compute.loader=jpeg", "dataset.name=cifar10"],
        (
            "compute.loader: the jpeg loader decodes files, and the images of cifar10 are in memory; "
            "use auto or batched"
        ),
    ),
    (["dataset.root=a\0b"], "--set dataset.root: a path cannot contain the character NUL; name a folder"),
    (["paper.linear=90"], "paper.source: a published number without its source; name its source"),
]


@pytest.mark.parametrize(
    ("overrides", "text"), RULES, ids=lambda value: value[0] if isinstance(value, list) else ""
)
def test_an_impossible_combination_is_refused_with_its_reason_and_a_fix(
    overrides: list[str], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(overrides=overrides)
    assert len(caught.value.problems) == 1
    assert text in str(caught.value)
    [problem] = caught.value.problems
    if problem.values:
        load_experiment(overrides=[*overrides, *(f"{path}={value}" for path, value in problem.values)])


@pytest.mark.parametrize(
    "overrides",
    [
        ["method.whitening_size=65", "schedule.batch_size=130"],
        ["method={operator: iterative, whitening_size: 64, steps: 7}"],
        ["method={operator: standardise, whitening_size: 32}"],
        ["method={operator: zca, eps: 0.1, relative_eps: true}"],
        ["method.name=cw_rgp", "projector.dim=260"],
        ["method={name: cw_rgp, axis: batch, whitening_size: 128, groups: 8}", "projector.dim=512"],
        ["method={name: shuffled_dbn}", "projector.dim=2048"],
        ["method={name: zero_cl, ridge: 0}"],
        ["method={name: barlow_twins}", "projector.dim=2"],
        ["method={name: intl, axis: batch}", "projector.dim=1"],
        ["evaluation.lidar_images=50000"],
        ["method={name: vicreg, variance: 0, covariance: 0}"],
        ["method={name: vibcreg, groups: 4}"],
        ["method={name: vibcreg, steps: 0}"],
        ["method={name: s2r2, relaxation: smooth, rank_temperature: 0.1}"],
        ["method={name: s2r2, bins: 10}"],
        ["method.name=simsiam", "optimizer={name: lars, clip: true, bias_lr: 0.01}"],
        ["schedule.epochs=51"],
        ["schedule.epochs=20", "schedule.milestones=[]"],
        ["schedule.epochs=20", "schedule.kind=cosine"],
        ["method.name=simclr", "projector.dim=512"],
        ["method.name=byol", "schedule.batch_size=3"],
        ["optimizer={name: sgd, nesterov: true}"],
        ["backbone.arch=cifar_resnet56"],
        ["dataset={eval_resize: 64, eval_crop: 64}"],
        ["dataset={crop: 64, eval_resize: 64}"],
        ["dataset={crop: 64, eval_crop: 32}"],
        ["dataset.name=folder", "dataset.root=/a", "dataset.held_out=0.2"],
        ["dataset={name: patterns, train_images: 200000}"],
        ["dataset.probe_train=/a", "dataset.probe_test=/b"],
        ["evaluation={knn: cosine, temperature: 0.1}"],
        ["dataset.held_out=0.1"],
        ["compute={loader: workers, workers: 2}"],
        ["compute.loader=jpeg", "dataset.name=imagenet100"],
        ["dataset.name=imagenet100"],
    ],
    ids=lambda value: value[0],
)
def test_the_nearest_possible_neighbours_are_accepted(overrides: list[str]) -> None:
    load_experiment(overrides=overrides)


@pytest.mark.parametrize(
    ("override", "owner"),
    [
        ("optimizer.trust=0.1", "optimizer.name=lars"),
        ("optimizer.bias_lr=0.1", "optimizer.name=lars"),
        ("schedule.final_factor=0.1", "schedule.kind=cosine"),
        ("method.temperature=0.1", "method.name=simclr"),
    ],
)
def test_an_option_of_another_variant_is_refused(override: str, owner: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown key; only {owner} has it"):
        load_experiment(overrides=[override])


def test_all_impossible_combinations_are_reported_at_once_in_the_order_of_the_schema() -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(
            overrides=["dataset.held_out=.5", "projector.dim=256", "schedule={epochs: 3, batch_size: 100}"]
        )
    assert [problem.path for problem in caught.value.problems] == [
        "dataset.held_out",
        "method.whitening_size",
        "schedule.batch_size",
        "schedule.milestones",
    ]


@pytest.mark.parametrize(
    ("epochs", "milestones"), [(1000, "[50, 25]"), (40, "[2, 1]"), (10, "[1]"), (2, "[1]"), (1, "[]")]
)
def test_the_milestones_that_are_proposed_are_accepted(epochs: int, milestones: str) -> None:
    with pytest.raises(ConfigError, match="does not fit in") as caught:
        load_experiment(overrides=[f"schedule={{epochs: {epochs}, milestones: [2000]}}"])
    assert f"set schedule.milestones={milestones}" in str(caught.value)
    load_experiment(overrides=[f"schedule={{epochs: {epochs}, milestones: {milestones}}}"])


CHAIN = "and cannot be whitened: 64 features of cifar_resnet8"
FEWER = "method.groups so that one has 8 channels or fewer"
NARROW_HEAD = ("projector.hidden=8", "projector.dim=32")
NARROW = {
    ("projector.hidden=16", "projector.dim=32"): (
        f"32 dimensions have rank 16 at most {CHAIN} -> 16 (projector.hidden) -> 32 (projector.dim); "
        "set projector.hidden to 32 or more, or projector.dim to 16 or less"
    ),
    ("projector.layers=1", "projector.dim=100", "method.whitening_size=256"): (
        f"100 dimensions have rank 64 at most {CHAIN} -> 100 (projector.dim); set projector.layers to 2 or "
        "more, with projector.hidden at least 100, or projector.dim to 64 or less"
    ),
    ("method={name: cw_rgp, groups: 4, whitening_size: 64}", "projector.hidden=30", "projector.dim=512"): (
        f"64 images of a slice have rank 31 at most {CHAIN} -> 30 (projector.hidden) -> 512 (projector.dim); "
        "set projector.hidden to 63 or more, or method.whitening_size to 31 or less"
    ),
    ("method={name: cw_rgp, axis: batch, groups: 2, whitening_size: 64}", *NARROW_HEAD): (
        f"16 channels of a group have rank 8 at most {CHAIN} -> 8 (projector.hidden) -> 32 (projector.dim); "
        f"set projector.hidden to 16 or more, or {FEWER}"
    ),
    ("method.name=shuffled_dbn", *NARROW_HEAD): (
        f"32 channels of a group have rank 8 at most {CHAIN} -> 8 (projector.hidden) -> 32 (projector.dim); "
        f"set projector.hidden to 32 or more, or {FEWER}"
    ),
    ("method={name: zero_cl, ridge: 0.0}", *NARROW_HEAD): (
        f"32 features have rank 8 at most {CHAIN} -> 8 (projector.hidden) -> 32 (projector.dim); "
        "set projector.hidden to 32 or more, or method.ridge above 0 (0.01 as published)"
    ),
}


@pytest.mark.parametrize(("overrides", "message"), NARROW.items())
def test_a_projector_too_narrow_for_its_covariance_is_refused(
    overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(preset="quickstart", overrides=overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "method",
    [
        "eps: 1e-4",
        "operator: iterative",
        "operator: standardise",
        "name: simclr",
        "name: intl",
        "name: vicreg",
    ],
)
def test_what_inverts_no_covariance_may_be_narrow(method: str) -> None:
    overrides = (f"method={{{method}}}", "projector.hidden=16", "projector.dim=32")
    assert load_experiment(preset="quickstart", overrides=overrides).projector.hidden == 16
