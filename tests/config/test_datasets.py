"""The facts of the data sets: complete, consistent, and those of the reference."""

from __future__ import annotations

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.names import choices_of


def test_every_data_set_that_can_be_named_has_facts() -> None:
    assert tuple(sorted(DATASETS)) == tuple(sorted(choices_of("dataset.name")))
    assert all(name == facts.name for name, facts in DATASETS.items())


def test_facts_are_consistent() -> None:
    for name, facts in DATASETS.items():
        if facts.class_names:
            assert len(facts.class_names) == len(set(facts.class_names)) == facts.classes, name
        assert facts.channels == len(facts.mean) == len(facts.std) == 3, name
        assert all(0 < value < 1 for value in (*facts.mean, *facts.std)), name


def test_normalisation_is_that_of_the_reference() -> None:
    assert DATASETS["cifar10"].mean == (0.4914, 0.4822, 0.4465)
    assert DATASETS["cifar10"].std == (0.2023, 0.1994, 0.2010)
    assert (DATASETS["stl10"].mean, DATASETS["stl10"].std) == ((0.43, 0.42, 0.39), (0.27, 0.26, 0.27))
    assert DATASETS["tiny_imagenet"].mean == (0.480, 0.448, 0.398)
    assert DATASETS["tiny_imagenet"].std == (0.277, 0.269, 0.282)
    assert DATASETS["imagenet100"].mean == (0.485, 0.456, 0.406)


def test_stl10_trains_on_everything_and_probes_on_the_labelled_part() -> None:
    facts = DATASETS["stl10"]
    assert (facts.train_images, facts.probe_train_images, facts.test_images) == (105_000, 5_000, 8_000)
    assert (facts.train_split, facts.probe_split, facts.test_split) == ("train+unlabeled", "train", "test")


def test_patterns_has_its_ten_classes() -> None:
    assert DATASETS["patterns"].class_names == (
        *("stripes", "checks", "rings", "rays", "spirals"),
        *("waves", "grids", "blobs", "noise", "dots"),
    )


def test_the_archive_of_tiny_imagenet_has_its_published_size() -> None:
    assert DATASETS["tiny_imagenet"].archive_bytes == 248_100_043
    assert {name for name, facts in DATASETS.items() if facts.archive_bytes == 0} == {
        "patterns",
        "imagenet100",
        "imagenet",
        "folder",
    }
