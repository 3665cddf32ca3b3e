"""Advice on what is legal but unwise, and numbers that follow from a configuration alone."""

from __future__ import annotations

import numpy as np
import pytest

from wmse_tui.config.advice import advise
from wmse_tui.config.figures import (
    checkpoint_bytes,
    expected_condition_number,
    retained_checkpoints,
    steps_per_epoch,
    total_steps,
    training_images,
    whitening_summary,
)
from wmse_tui.config.loading import load_experiment, preset_names


def advice(preset: str, *overrides: str) -> dict[str, str]:
    found = advise(load_experiment(preset=preset, overrides=overrides))
    return {item.path: f"{item.level}: {item.text}" for item in found}


def test_no_shipped_preset_has_a_warning() -> None:
    found = [
        f"{name}: {item.text}"
        for name in preset_names()
        for item in advise(load_experiment(preset=name))
        if item.level == "warning"
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("dim", "whitening_size", "tolerance"), [(128, 256, 0.2), (256, 768, 0.15), (256, 1024, 0.1)]
)
def test_the_expected_condition_number_agrees_with_noise(
    dim: int, whitening_size: int, tolerance: float
) -> None:
    noise = np.random.default_rng(0).standard_normal((8, whitening_size, dim))
    measured = np.mean([np.linalg.cond(np.cov(sample, rowvar=False)) for sample in noise])
    assert expected_condition_number(dim, whitening_size) == pytest.approx(measured, rel=tolerance)


def test_too_few_samples_have_an_infinite_condition_number() -> None:
    assert expected_condition_number(64, 65) == float("inf")
    assert expected_condition_number(64, 66) > 10_000


def test_a_whitening_size_under_twice_the_embedding_size_is_a_warning() -> None:
    text = advice("cifar10", "method.whitening_size=96", "schedule.batch_size=480")["method.whitening_size"]
    assert text == (
        "warning: 96 images for 64 dimensions: even of pure noise the covariance has a condition number "
        "near 103, where the paper's 128 images have 35; expect a noisy loss"
    )
    assert (
        "a condition number without bound, where"
        in advice("cifar10", "method.whitening_size=65", "schedule.batch_size=520")["method.whitening_size"]
    )


@pytest.mark.parametrize(
    ("operator", "reason"),
    [
        ("pca", "is known to collapse (Weng et al. 2022)"),
        ("standardise", "dimensions may come to repeat each other"),
        ("iterative", "whitens only where there is variance"),
        ("none", "nothing keeps the embeddings apart"),
    ],
)
def test_an_operator_that_does_not_decorrelate_the_dimensions_is_a_warning(
    operator: str, reason: str
) -> None:
    text = advice("cifar10", f"method.operator={operator}")["method.operator"]
    assert text.startswith("warning: ")
    assert reason in text


@pytest.mark.parametrize("operator", ["cholesky", "zca"])
def test_the_other_operators_have_no_warning(operator: str) -> None:
    assert "method.operator" not in advice("cifar10", f"method.operator={operator}")


def test_without_a_covariance_its_condition_number_is_not_mentioned() -> None:
    overrides = ("method.operator=standardise", "method.whitening_size=32")
    assert "method.whitening_size" not in advice("cifar10", *overrides)
    assert whitening_summary(load_experiment(preset="cifar10", overrides=overrides)) == ""


def test_shuffling_a_single_slice_has_advice() -> None:
    text = advice("stl10", "schedule.batch_size=256")["method.iterations"]
    assert text == "info: the batch is one slice, so shuffling it 4 times changes nothing; 1 is enough"


def test_stl10_without_its_unlabelled_part_is_a_warning() -> None:
    text = advice("stl10", "dataset.train_images=5000")["dataset.train_images"]
    assert text.startswith(
        "warning: STL-10 is meant for learning from its 100,000 unlabelled images; 5,000 are few"
    )


def test_a_subset_cannot_reach_the_published_number() -> None:
    text = advice("cifar10", "dataset.train_images=10000")["dataset.train_images"]
    assert text == "warning: the published number was reached with all images of CIFAR-10"
    assert "dataset.train_images" not in advice("quickstart", "dataset.train_images=2000")


def test_an_evaluation_of_only_the_middle_of_the_images_is_a_warning() -> None:
    text = advice("cifar10", "dataset.name=stl10")["dataset.eval_resize"]
    assert text == (
        "warning: only the middle 32 px of the 96 px test images are evaluated; "
        "set dataset.eval_resize near 32"
    )
    assert "dataset.eval_resize" not in advice("stl10")


def test_a_batch_that_leaves_out_much_of_an_epoch_has_advice() -> None:
    text = advice("cifar10", "dataset.train_images=1000")["schedule.batch_size"]
    assert text.startswith("info: each epoch leaves out 488 of 1,000 images")


def test_a_large_download_is_announced() -> None:
    assert advice("stl10")["dataset.download"].startswith("info: STL-10 is a download of 2.6 GB")
    assert "dataset.download" not in advice("stl10", "dataset.download=false")


def test_a_run_inside_its_warm_up_is_a_warning() -> None:
    text = advice("cifar10", "schedule={epochs: 5, milestones: []}")["schedule.warmup_steps"]
    assert text == (
        "warning: the run ends after 485 steps, inside its warm-up of 500: "
        "the learning rate never reaches optimizer.lr"
    )


def test_a_large_network_on_a_cpu_is_a_warning() -> None:
    assert advice("cifar10", "compute.device=cpu")["backbone.arch"].startswith("warning: resnet18 on a CPU")
    assert "backbone.arch" not in advice("quickstart", "compute.device=cpu")
    assert "compute.precision" in advice("quickstart", "compute={device: cpu, precision: bfloat16}")


def test_shrinkage_by_the_variance_that_hides_dimensions_is_a_warning() -> None:
    large = ("method.eps=0.01", "method.relative_eps=true")
    assert advice("cifar10", *large)["method.eps"].startswith("warning: relative to the variance, 0.01 hides")
    assert "method.eps" not in advice("cifar10", "method.eps=1e-4", "method.relative_eps=true")
    assert "method.eps" not in advice("cifar10", "method.eps=0.01")
    assert "method.eps" not in advice("cifar10", *large, "method.operator=iterative")


@pytest.mark.parametrize(
    ("recorded", "overrides"),
    [
        (True, ()),
        (True, ("method={name: intl}",)),
        (True, ("backbone.whitening=iterative",)),
        (True, ("method.operator=zca",)),
        (True, ("method={name: zero_cl}",)),
        (True, ("method={name: shuffled_dbn}",)),
        (True, ("backbone.whitening=zca", "backbone.whitening_eps=0.01")),
        (False, ("method.operator=pca",)),
    ],
)
def test_a_graph_of_steps_that_wait_for_eigenvectors_has_advice(
    recorded: bool, overrides: tuple[str, ...]
) -> None:
    text = advice("cifar10", "compute={device: cuda, compile: graph}", *overrides)
    assert ("compute.compile" not in text) == recorded
    if not recorded:
        assert text["compute.compile"].startswith("info: eigenvectors synchronise with the device")


def test_a_run_without_evaluation_is_a_warning() -> None:
    assert "evaluation.knn" in advice("cifar10", "evaluation={knn: off, linear: off}")


def test_a_run_without_an_accuracy_before_its_end_is_named() -> None:
    found = advice("cifar10", "evaluation.knn=off")
    assert found["evaluation.linear_at"].startswith("info: without k-NN the run shows no accuracy before")
    assert "evaluation.linear_at" not in advice("cifar10", "evaluation={knn: off, linear_at: every}")
    assert "evaluation.linear_at" not in advice("cifar10")


def test_warnings_come_first() -> None:
    levels = [
        item.level for item in advise(load_experiment(preset="stl10", overrides=["compute.device=cpu"]))
    ]
    assert levels == ["warning", "info"]


def test_steps_leave_the_last_incomplete_batch_out() -> None:
    experiment = load_experiment(
        preset="cifar10", overrides=["dataset.train_images=1100", "schedule.epochs=60"]
    )
    assert (training_images(experiment), steps_per_epoch(experiment), total_steps(experiment)) == (
        1100,
        2,
        120,
    )


def test_the_steps_of_the_users_own_images_are_not_known_before_they_are_counted() -> None:
    experiment = load_experiment(overrides=["dataset.name=folder", "dataset.root=/a"])
    assert (training_images(experiment), steps_per_epoch(experiment), total_steps(experiment)) == (
        None,
        None,
        None,
    )
    limited = load_experiment(
        overrides=["dataset.name=folder", "dataset.root=/a", "dataset.train_images=1024"]
    )
    assert steps_per_epoch(limited) == 2


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optimizer.name=adam", 1240),
        ("optimizer.name=sgd", 840),
        ("optimizer={name: sgd, momentum: 0}", 440),
        ("optimizer.name=lars", 840),
    ],
)
def test_a_checkpoint_holds_weights_and_the_optimizers_state(override: str, expected: int) -> None:
    experiment = load_experiment(preset="cifar10", overrides=[override])
    assert checkpoint_bytes(experiment, trained=100, averaged=10) == expected


def test_the_best_and_the_final_checkpoint_are_retained_beside_the_latest() -> None:
    assert retained_checkpoints(load_experiment(preset="cifar10", overrides=["checkpoint.keep=3"])) == 5
    short = load_experiment(preset="quickstart", overrides=["schedule.epochs=2"])
    assert [retained_checkpoints(short, seconds) for seconds in (None, 60.0, 300.0, 1e6)] == [4, 2, 3, 4]


def test_the_summary_of_slice_whitening() -> None:
    assert whitening_summary(load_experiment(preset="stl10")) == (
        "256 images whiten 128 dimensions, in 2 slices of each batch; of pure noise the covariance would "
        "have a condition number near 34"
    )
    narrow = ["method.whitening_size=65", "schedule.batch_size=65"]
    text = whitening_summary(load_experiment(preset="cifar10", overrides=narrow))
    assert "in 1 slice of each batch" in text
    assert text.endswith("a condition number without bound")
    assert whitening_summary(load_experiment(preset="cifar10-byol")) == ""


def test_channels_to_whiten_over_are_counted_per_group() -> None:
    text = advice("cifar10-cwrgp2", "projector.dim=400")["method.groups"]
    assert text.startswith("warning: 64 images are whitened over 100 channels: even of pure noise")
    assert text.endswith("the published recipes whiten over 128 or more")
    wide = advice("cifar10-cwrgp2", "method.axis=batch", "method.groups=16")
    assert "method.groups" not in wide
    narrow = advice("cifar10-cwrgp2", "method.axis=batch", "method.groups=10", "projector.dim=400")
    assert narrow["method.groups"].startswith("warning: 40 channels are whitened over 64 images")


def test_the_summary_of_channel_whitening() -> None:
    assert whitening_summary(load_experiment(preset="cifar10-cwrgp2")) == (
        "64 images are whitened over 128 channels, in 4 groups and in 4 slices of each batch; "
        "of pure noise the covariance would have a condition number near 35"
    )


def test_shuffling_one_slice_helps_only_where_partitions_are_drawn_again() -> None:
    one = ("schedule.batch_size=64", "method.iterations=2")
    assert "method.iterations" not in advice("cifar10-cwrgp2", *one)
    assert "method.iterations" in advice("cifar10-cwrgp2", *one, "method.partition=fixed")


def test_intl_over_too_few_channels_or_images_is_a_warning() -> None:
    text = advice("cifar10-intl", "projector.dim=256")["projector.dim"]
    assert text.startswith("warning: 256 images are whitened over 256 channels, which leaves them in 255 dir")
    text = advice("cifar10-intl", "method.axis=batch")["method.axis"]
    assert text.startswith(
        "warning: 2048 channels are whitened over 256 images, which leaves them in 255 dir"
    )
    assert "method.axis" not in advice("cifar10-intl", "method.axis=batch", "projector.dim=64")


def test_a_large_matrix_to_decompose_is_a_warning() -> None:
    assert "method.variant" not in advice("cifar10-zero_icl")
    text = advice("cifar10-zero_icl", "method.variant=feature")["method.variant"]
    assert text.startswith("warning: the matrix of 8192 features is decomposed at every step and view")


def test_one_group_has_nothing_to_shuffle() -> None:
    text = advice("cifar10", "method.name=shuffled_dbn")["method.groups"]
    assert text == "info: a batch of 512 images whitens all 64 channels in one group, so nothing is shuffled"
    assert "method.groups" not in advice("cifar10", "method.name=shuffled_dbn", "projector.dim=512")


def test_layers_with_too_few_images_to_whiten_are_a_warning() -> None:
    few = advice("cifar10", "backbone.whitening=iterative")["backbone.whitening_groups"]
    assert few.startswith("info: 512 images whiten 512 features, which leaves them in 511 directions at most")
    assert "; 2 groups, or a larger batch," in few
    assert "backbone.whitening_groups" not in advice(
        "cifar10", "backbone.whitening=iterative", "backbone.views=together"
    )
    noisy = advice("cifar10", "backbone.whitening=zca", "backbone.whitening_eps=1e-2")
    assert noisy["backbone.whitening_groups"].startswith("warning: 512 images whiten 512 features")
    assert "backbone.whitening_groups" not in advice(
        "cifar10", "backbone.whitening=zca", "backbone.whitening_groups=2"
    )
    assert "comparison" in advice("cifar10", "backbone.whitening=standardise")["backbone.whitening"]


@pytest.mark.parametrize(("layer", "value"), [("norm", "sw2"), ("whitening", "iterative")])
def test_averages_that_a_short_run_does_not_fill_are_a_warning(layer: str, value: str) -> None:
    path = f"backbone.{layer}_momentum"
    short = ("backbone.arch=resnet18", "schedule.epochs=1", f"backbone.{layer}={value}", f"{path}=0.01")
    text = advice("quickstart", *short)[path]
    assert text == (
        "warning: in 19 steps the averages by which it is evaluated reach 17% of their weight: "
        "use 0.2 or more"
    )
    assert path not in advice("quickstart", *short[:3], f"{path}=0.2")
    assert path not in advice("cifar10", f"backbone.{layer}={value}")


def test_a_target_that_never_moves_is_a_warning() -> None:
    text = advice("quickstart", "method.name=byol", "method.momentum=1")["method.momentum"]
    assert text == "warning: the target is never updated: it stays a random network"
    assert "method.momentum" not in advice("quickstart", "method.name=byol", "method.momentum=0.999")


def test_small_maps_are_a_warning_where_their_covariance_is_used() -> None:
    text = advice("cifar10", "backbone.norm=sw2", "backbone.stem=small")["backbone.norm"]
    assert text.startswith("warning: maps of 4 x 4 px in the third stage leave 16 channels of a group in 15")
    assert "backbone.norm" not in advice("cifar10", "backbone.norm=sw2")
    assert "backbone.norm" not in advice("stl10", "backbone.norm=sw2")


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("{name: vicreg, variance: 0}", "method.variance", "may collapse to a point"),
        ("{name: vibcreg, variance: 0}", "method.variance", "may collapse to a point"),
        ("{name: barlow_twins, redundancy: 0}", "method.redundancy", "from repeating each other"),
        ("{name: vicreg, covariance: 0}", "method.covariance", "from repeating each other"),
        ("{name: vibcreg, correlation: 0}", "method.correlation", "from repeating each other"),
    ],
)
def test_a_missing_term_against_collapse_is_a_warning(method: str, path: str, reason: str) -> None:
    found = advice("cifar10", f"method={method}")
    assert list(found) == [path]
    assert found[path].startswith("warning: without it")
    assert reason in found[path]


def test_wide_groups_to_whiten_are_a_warning() -> None:
    assert not advice("cifar10-vibcreg", "method.groups=2")
    text = advice("cifar10-vibcreg", "method.groups=1")["method.groups"]
    assert text.startswith("warning: groups of 2048 channels take long to whiten at every step")
    assert not advice("cifar10-vibcreg", "method.groups=null", "method.steps=0")


def test_a_ranking_of_very_many_views_is_a_warning() -> None:
    assert not advice("cifar10-s2r2", "schedule.batch_size=1024")
    text = advice("cifar10-s2r2", "schedule.batch_size=2048")["schedule.batch_size"]
    assert text.startswith("warning: each of 8,192 views ranks all others: 0.3 GB of cosines")


def test_lars_at_a_rate_for_adam_is_a_warning() -> None:
    text = advice("cifar10", "optimizer.name=lars")["optimizer.lr"]
    assert text.startswith("warning: with optimizer.trust=0.001 LARS moves a weight by 3e-06 of its length")
    assert not advice("cifar10", "optimizer={name: lars, lr: 0.3}")
    assert not advice("cifar10", "optimizer={name: lars, clip: true}")


FIXABLE = (
    ("cifar10", "method.whitening_size=64", "projector.dim=48", "schedule.batch_size=192"),
    ("quickstart", "method.operator=pca"),
    ("quickstart", "method.eps=0.1", "method.relative_eps=true"),
    ("quickstart", "method.whitening_size=256", "method.iterations=4"),
    ("stl10", "dataset.train_images=5000"),
    ("cifar10", "dataset.train_images=5000"),
    ("stl10", "dataset.eval_resize=null", "dataset.crop=32"),
    ("quickstart", "evaluation.knn=off", "evaluation.linear=off"),
    ("quickstart", "schedule.epochs=1"),
)


@pytest.mark.parametrize("case", FIXABLE, ids=lambda case: case[1])
def test_what_advice_proposes_can_be_set_and_ends_the_advice(case: tuple[str, ...]) -> None:
    preset, *overrides = case
    fixable = [one for one in advise(load_experiment(preset=preset, overrides=overrides)) if one.fix]
    assert fixable
    for one in fixable:
        fix = [f"{path}={value or 'null'}" for path, value in one.fix]
        assert one.path not in advice(preset, *overrides, *fix)
