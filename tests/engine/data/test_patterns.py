"""The embedded data set: the same images always, ten kinds that raw pixels do not separate."""

from __future__ import annotations

import pytest
import torch

from wmse_tui.config.datasets import DATASETS
from wmse_tui.engine.data.patterns import CLASSES, TEST_SPLIT, TRAIN_SPLIT, draw_patterns
from wmse_tui.engine.evaluation import knn_accuracy

GOLDEN_MEANS = [165.99, 162.26, 137.33, 162.94, 109.23, 103.91, 170.47, 135.36, 118.56, 105.24]


def test_kinds_take_turns() -> None:
    pixels, labels = draw_patterns(25, split_seed=TRAIN_SPLIT)
    assert pixels.shape == (25, 3, 32, 32)
    assert pixels.dtype == torch.uint8
    assert labels.tolist() == [i % 10 for i in range(25)]


def test_the_configuration_knows_the_kinds() -> None:
    assert DATASETS["patterns"].class_names == CLASSES
    assert DATASETS["patterns"].classes == len(CLASSES)


def test_an_image_depends_on_its_number_alone() -> None:
    everything, labels = draw_patterns(60, split_seed=TRAIN_SPLIT)
    some = torch.tensor([59, 8, 8, 31])
    pixels, some_labels = draw_patterns(some, split_seed=TRAIN_SPLIT)
    assert torch.equal(pixels, everything[some])
    assert torch.equal(some_labels, labels[some])


def test_the_images_of_a_kind_differ() -> None:
    pixels, labels = draw_patterns(200, split_seed=TRAIN_SPLIT)
    for kind in range(10):
        images = pixels[labels == kind].flatten(1).float()
        assert torch.cdist(images, images).fill_diagonal_(1e9).min() > 300


def test_splits_share_no_image() -> None:
    train, _ = draw_patterns(1000, split_seed=TRAIN_SPLIT)
    test, _ = draw_patterns(1000, split_seed=TEST_SPLIT)
    assert torch.cdist(test.flatten(1).float(), train.flatten(1).float()).min() > 100


def test_images_are_nearly_grey_and_use_their_range() -> None:
    pixels, _ = draw_patterns(500, split_seed=TRAIN_SPLIT)
    values = pixels.float()
    colour = values.mean((2, 3))
    assert (colour.amax(1) - colour.amin(1)).max() < 20
    spread = values.mean(1).std((1, 2))
    assert spread.min() > 2
    assert spread.quantile(0.9) > 50


def test_raw_pixels_separate_few_classes() -> None:
    train, train_labels = draw_patterns(5000, split_seed=TRAIN_SPLIT)
    test, test_labels = draw_patterns(1000, split_seed=TEST_SPLIT)
    accuracy = knn_accuracy(train.flatten(1).float(), train_labels, test.flatten(1).float(), test_labels, k=5)
    assert 0.15 < accuracy < 0.35


@pytest.mark.parametrize("size", [16, 48])
def test_other_sizes_show_the_same_patterns(size: int) -> None:
    pixels, labels = draw_patterns(40, split_seed=TRAIN_SPLIT, size=size)
    assert pixels.shape == (40, 3, size, size)
    usual, _ = draw_patterns(40, split_seed=TRAIN_SPLIT)
    smooth = (labels == CLASSES.index("blobs")).nonzero()[:, 0]
    shrunk = torch.nn.functional.interpolate(
        pixels[smooth].float(), (32, 32), mode="bilinear", antialias=True
    )
    assert (shrunk - usual[smooth].float()).abs().mean() < 5


def test_golden_images_never_change() -> None:
    """Their means, give or take what another machine's sine may shift."""
    pixels, _ = draw_patterns(10, split_seed=TRAIN_SPLIT)
    assert torch.allclose(pixels.float().mean((1, 2, 3)), torch.tensor(GOLDEN_MEANS), atol=0.2)
