"""The embedded transfer set: other kinds than the patterns that are trained on."""

from __future__ import annotations

import torch

from wmse_tui.engine.data.other_patterns import OTHER_KINDS, other_patterns
from wmse_tui.engine.data.patterns import CLASSES, draw_patterns
from wmse_tui.engine.evaluation import knn_accuracy


def test_the_classes_are_others_and_their_pixels_alone_reveal_little() -> None:
    train, test = other_patterns(size=16)
    assert not set(train.classes) & set(CLASSES)
    assert train.classes == test.classes == tuple(name for name, _ in OTHER_KINDS)
    for images, count in ((train, 2000), (test, 1000)):
        assert images.labels is not None
        assert images.labels.bincount().tolist() == [count // len(OTHER_KINDS)] * len(OTHER_KINDS)
    assert train.labels is not None
    assert test.labels is not None
    rows = [images.pixels.flatten(1).float() for images in (train, test)]
    raw = knn_accuracy(rows[0], train.labels, rows[1], test.labels)
    assert 1 / len(OTHER_KINDS) < raw < 0.6


def test_an_image_is_a_function_of_its_split_and_number_alone() -> None:
    some, _ = draw_patterns(torch.tensor([9, 2]), split_seed=2, size=16, kinds=OTHER_KINDS)
    train, test = other_patterns(size=16)
    assert torch.equal(some, train.pixels[[9, 2]])
    assert not torch.equal(train.pixels[:8], test.pixels[:8])
