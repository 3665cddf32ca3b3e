"""The laws of the views, compared with torchvision's own draws."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import pytest
import torch
from torch import Tensor
from torchvision.transforms import ColorJitter, RandomResizedCrop

from wmse_tui.engine.data.view_parameters import View, ViewLaw, ViewParameters, draw_parameters

PAPER = ViewLaw(
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    jitter_p=0.8,
    grayscale_p=0.1,
    crop_scale=(0.2, 1.0),
    crop_ratio=(3 / 4, 4 / 3),
    flip_p=0.5,
)
DRAWS = 4000


def draw(law: ViewLaw, n: int = DRAWS, *, view: int = 0, height: int = 32, width: int = 32) -> ViewParameters:
    return draw_parameters(
        law, seed=1, epoch=2, indices=torch.arange(n), view=view, heights=height, widths=width
    )


def distance(first: Tensor, second: Tensor) -> float:
    """The Kolmogorov-Smirnov distance of two samples, in units where 2 has a chance of 7 in 10,000."""
    first, second = first.double().sort().values, second.double().sort().values
    points = torch.cat((first, second))
    below_first = torch.searchsorted(first, points, right=True) / len(first)
    below_second = torch.searchsorted(second, points, right=True) / len(second)
    n = len(first) * len(second) / (len(first) + len(second))
    return float((below_first - below_second).abs().max() * n**0.5)


@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio"),
    [
        (32, 32, (0.2, 1.0), (3 / 4, 4 / 3)),
        (40, 90, (0.3, 0.9), (0.5, 2.0)),
        (12, 100, (0.8, 1.0), (3 / 4, 4 / 3)),  # mostly the fall-back: too wide
        (100, 12, (0.8, 1.0), (3 / 4, 4 / 3)),  # too high
    ],
)
def test_boxes_follow_the_law_of_torchvision(
    height: int, width: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    ours = draw(ViewLaw(crop_scale=scale, crop_ratio=ratio), height=height, width=width).box
    image = torch.empty(3, height, width)
    torch.manual_seed(0)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(DRAWS)]
    )
    for side in range(4):
        assert distance(ours[:, side], theirs[:, side]) < 2
    assert distance(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3]) < 2
    top, left, h, w = ours.unbind(1)
    assert (h > 0).all()
    assert (w > 0).all()
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + h <= height).all()
    assert (left + w <= width).all()


@pytest.mark.parametrize(
    ("height", "width"), [(10, 1000), (1000, 10), (300, 300)], ids=["wide", "high", "square"]
)
def test_the_central_fall_back_is_torchvisions(height: int, width: int) -> None:
    impossible = ViewLaw(crop_scale=(4.0, 5.0), crop_ratio=(3 / 4, 4 / 3))
    theirs = RandomResizedCrop.get_params(torch.empty(3, height, width), [4.0, 5.0], [3 / 4, 4 / 3])
    assert draw(impossible, 3, height=height, width=width).box.tolist() == [list(theirs)] * 3


def test_jitter_follows_the_law_of_torchvision() -> None:
    law = ViewLaw(brightness=0.4, contrast=0.8, saturation=1.0, hue=0.1)
    ours = draw(law)
    torch.manual_seed(0)
    jitter = ColorJitter(0.4, 0.8, 1.0, 0.1)
    theirs = [
        ColorJitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
        for _ in range(DRAWS)
    ]
    for place, name in enumerate(("brightness", "contrast", "saturation", "hue"), start=1):
        assert distance(getattr(ours, name), torch.tensor([drawn[place] for drawn in theirs])) < 2


def test_factors_never_fall_below_zero() -> None:
    assert draw(ViewLaw(brightness=1.0)).brightness.min() >= 0


def test_every_order_of_the_four_operations_is_equally_likely() -> None:
    counts = Counter(tuple(order) for order in draw(PAPER, 24_000).order.tolist())
    assert len(counts) == 24
    assert all(abs(count - 1000) < 160 for count in counts.values())


def test_augmentations_happen_with_their_probabilities() -> None:
    law = ViewLaw(
        brightness=0.4, hue=0.1, jitter_p=0.8, invert_p=0.3, grayscale_p=0.1, flip_p=0.5, blur_p=0.6
    )
    drawn = draw(law, 20_000)
    for happened, p in (
        (drawn.brightness != 1, 0.8),
        (drawn.inverted, 0.3),
        (drawn.grayscale, 0.1),
        (drawn.flipped, 0.5),
        (drawn.blur > 0, 0.6),
    ):
        assert abs(happened.double().mean() - p) < 0.015


def test_the_whole_jitter_is_left_out_together() -> None:
    drawn = draw(PAPER)
    left_out = drawn.brightness == 1
    for changed in (drawn.contrast != 1, drawn.saturation != 1, drawn.hue != 0):
        assert not changed[left_out].any()
        assert changed[~left_out].double().mean() > 0.99


def test_blur_is_uniform_in_its_range() -> None:
    sigma = draw(ViewLaw(blur_p=1.0, blur_sigma=(0.1, 2.0))).blur
    torch.manual_seed(0)
    assert distance(sigma, 0.1 + 1.9 * torch.rand(DRAWS)) < 2


def test_views_of_an_image_are_independent() -> None:
    first, second = draw(PAPER), draw(PAPER, view=1)
    for name in ("brightness", "contrast", "hue", "flipped", "grayscale"):
        pair = torch.stack((getattr(first, name), getattr(second, name))).double()
        assert torch.corrcoef(pair)[0, 1].abs() < 5 / DRAWS**0.5
    pair = torch.stack((first.box[:, 1], second.box[:, 1])).double()
    assert torch.corrcoef(pair)[0, 1].abs() < 5 / DRAWS**0.5


def test_the_law_of_the_defaults_changes_nothing() -> None:
    (view,) = draw(ViewLaw(), 1, height=24, width=24).views()
    assert view._replace(order=[]) == View(
        brightness=1, contrast=1, saturation=1, hue=0, order=[], inverted=False, grayscale=False,
        box=[0, 0, 24, 24], flipped=False, blur=0,
    )  # fmt: skip


def test_images_of_many_sizes_are_drawn_as_each_alone() -> None:
    heights, widths = torch.tensor([32, 50, 7]), torch.tensor([40, 20, 90])
    together = draw_parameters(
        PAPER, seed=0, epoch=0, indices=torch.tensor([4, 9, 2]), view=1, heights=heights, widths=widths
    )
    for row, index in enumerate((4, 9, 2)):
        alone = draw_parameters(
            PAPER,
            seed=0,
            epoch=0,
            indices=torch.tensor([index]),
            view=1,
            heights=int(heights[row]),
            widths=int(widths[row]),
        )
        assert list(alone.views()) == list(together[row : row + 1].views())


def test_rows_and_devices_are_chosen_for_all_fields_alike() -> None:
    drawn = draw(PAPER, 10)
    for rows in (slice(2, 5), torch.tensor([2, 3, 4])):
        assert list(drawn[rows].views()) == list(drawn.views())[2:5]
    moved = drawn.to("meta")
    assert {getattr(moved, field.name).device.type for field in fields(ViewParameters)} == {"meta"}
    assert len(drawn) == len(moved) == 10
