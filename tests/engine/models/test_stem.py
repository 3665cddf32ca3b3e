"""Stems follow the size of the training images, unless one is named."""

from __future__ import annotations

import pytest

from wmse_tui.engine.models import resolve_stem


@pytest.mark.parametrize(
    ("crop", "stem"),
    [
        (24, "cifar"),
        (32, "cifar"),
        (33, "small"),
        (64, "small"),
        (127, "small"),
        (128, "imagenet"),
        (224, "imagenet"),
    ],
)
def test_auto_is_the_stem_of_the_image_size(crop: int, stem: str) -> None:
    assert resolve_stem("auto", "resnet18", crop) == stem


@pytest.mark.parametrize("stem", ["imagenet", "small", "cifar"])
def test_a_named_stem_is_used_at_any_size(stem: str) -> None:
    assert resolve_stem(stem, "resnet50", 32) == resolve_stem(stem, "resnet50", 224) == stem


def test_a_cifar_resnet_has_its_own_at_any_size() -> None:
    assert resolve_stem("auto", "cifar_resnet20", 224) == "cifar"
    with pytest.raises(ValueError, match="cifar_resnet20 has a stem of its own, not 'small'; use 'auto'"):
        resolve_stem("small", "cifar_resnet20", 32)


def test_an_unknown_stem_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="stem must be 'auto', 'imagenet', 'small', 'cifar', not 'tiny'"):
        resolve_stem("tiny", "resnet18", 32)
