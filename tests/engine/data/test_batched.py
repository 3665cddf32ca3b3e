"""The batched pipeline against the same operations one image at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from wmse_tui.engine.data import batched
from wmse_tui.engine.data.batched import make_views, normalise_
from wmse_tui.engine.data.colour import jitter_, order_keys, shift_hue_
from wmse_tui.engine.data.device_views import device_views, geometry_of, jitter, prepare, with_ones
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.data.reference import augment_image
from wmse_tui.engine.data.resampling import blur_matrices, resample, resize_matrices
from wmse_tui.engine.data.view_parameters import View, ViewLaw, ViewParameters, concatenate, draw_parameters

EVERYTHING = ViewLaw(
    brightness=0.8,
    contrast=0.8,
    saturation=0.8,
    hue=0.3,
    jitter_p=0.8,
    invert_p=0.3,
    grayscale_p=0.3,
    crop_scale=(0.1, 1.0),
    crop_ratio=(0.5, 2.0),
    flip_p=0.5,
)
PAPER = ViewLaw(
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    jitter_p=0.8,
    invert_p=0.2,
    grayscale_p=0.1,
    crop_scale=(0.2, 1.0),
    crop_ratio=(3 / 4, 4 / 3),
    flip_p=0.5,
)
TINY = ViewLaw(crop_scale=(0.0005, 0.02), crop_ratio=(0.2, 5.0), flip_p=0.5)
"""Boxes that are smaller than the filter."""

ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
GREY_LEVELS = 255
Augment = Callable[..., Tensor]
SIZES = [(32, 32, 32), (96, 96, 64), (37, 53, 29), (20, 31, 45)]


def photographs(n: int, height: int, width: int) -> Tensor:
    """Smooth colour fields with some noise, uint8: nearer to photographs than noise alone."""
    torch.manual_seed(height)
    coarse = torch.rand(n, 3, height // 6 + 2, width // 6 + 2)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    return (smooth * 255 + 6 * torch.randn(n, 3, height, width)).round().clamp(0, 255).to(torch.uint8)


def draw(law: ViewLaw, images: Tensor) -> ViewParameters:
    height, width = images.shape[2:]
    indices = torch.arange(len(images))
    return draw_parameters(law, seed=7, epoch=0, indices=indices, view=0, heights=height, widths=width)


def augment(images: Tensor, rows: Tensor, parameters: ViewParameters, **options: Any) -> Tensor:
    """One view of each image, as a CPU makes it."""
    return make_views(images, rows, (parameters,), **options)[0]


BOTH = pytest.mark.parametrize("augment", [augment, device_views], ids=["cpu", "gpu"])
"""Views as a CPU makes them, and as a GPU does; both computed by the CPU."""


def one_by_one(image: Tensor, view: View, size: int) -> Tensor:
    """torchvision's operations on one float image (3, height, width) in [0, 1]."""
    for operation in view.order:
        if operation == 0:
            image = tv.adjust_brightness(image, view.brightness)
        elif operation == 1:
            image = tv.adjust_contrast(image, view.contrast)
        elif operation == 2:
            image = tv.adjust_saturation(image, view.saturation)
        else:
            image = tv.adjust_hue(image, view.hue)
    if view.inverted:
        image = tv.invert(image)
    if view.grayscale:
        image = tv.rgb_to_grayscale(image, num_output_channels=3)
    image = tv.resized_crop(image, *view.box, [size, size], InterpolationMode.BICUBIC, antialias=True)
    return (tv.hflip(image) if view.flipped else image).clamp(0, 1)


@BOTH
@pytest.mark.parametrize(("height", "width", "size"), SIZES)
@pytest.mark.parametrize("law", [EVERYTHING, TINY], ids=["everything", "tiny boxes"])
def test_views_equal_torchvisions_float_operations(
    augment: Augment, law: ViewLaw, height: int, width: int, size: int
) -> None:
    images = photographs(60, height, width)
    parameters = draw(law, images)
    ours = augment(images, torch.arange(60), parameters, size=size, mean=ZERO, std=ONE)
    floats = images / GREY_LEVELS
    theirs = [one_by_one(image, view, size) for image, view in zip(floats, parameters.views(), strict=True)]
    assert GREY_LEVELS * (ours - torch.stack(theirs)).abs().max() < 0.01


@BOTH
@pytest.mark.parametrize(("height", "width", "size"), SIZES)
@pytest.mark.parametrize(
    ("law", "bound"),
    [
        (ViewLaw(crop_scale=(0.2, 1.0), crop_ratio=(3 / 4, 4 / 3), flip_p=0.5), 0.4),
        (PAPER, 1.6),
    ],
    ids=["crop", "all"],
)
def test_views_are_near_pillows_8_bit_ones(
    augment: Augment, law: ViewLaw, bound: float, height: int, width: int, size: int
) -> None:
    """What is left is Pillow's rounding after each step."""
    images = photographs(40, height, width)
    parameters = draw(law, images)
    pictures = MemoryImages(name="x", split="x", pixels=images)
    ours = augment(images, torch.arange(40), parameters, size=size, mean=ZERO, std=ONE)
    theirs = torch.stack(
        [
            tv.to_tensor(augment_image(pictures.image(index), view, size))
            for index, view in enumerate(parameters.views())
        ]
    )
    error = GREY_LEVELS * (ours - theirs).abs()
    assert error.mean() < bound
    assert error.quantile(0.99) < 8


def test_each_image_is_jittered_in_its_own_order() -> None:
    """Brightness then contrast is not contrast then brightness; both happen in one batch."""
    images = photographs(200, 16, 16) / 255
    parameters = draw(ViewLaw(brightness=0.9, contrast=0.9, saturation=0.9, hue=0.4), images)
    ours = jitter_(images.clone(), parameters)
    same_order = parameters.order[:1].expand(200, 4)
    wrong = ViewParameters(
        **{name: getattr(parameters, name) for name in View._fields if name != "order"}, order=same_order
    )
    assert (jitter_(images.clone(), wrong) - ours).abs().amax((1, 2, 3)).gt(1 / 255).double().mean() > 0.5
    assert len({tuple(order) for order in parameters.order.tolist()}) == 24


@pytest.mark.parametrize("sorted_by_order", [True, False])
def test_a_cpu_and_a_gpu_jitter_alike(sorted_by_order: bool) -> None:
    pixels = photographs(200, 12, 10)
    images = pixels.float() / 255
    law = ViewLaw(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, jitter_p=0.8)
    parameters = draw(law, images)
    if sorted_by_order:
        parameters = parameters[order_keys(parameters).argsort()]
    constants, numbers, needed, _ = prepare(parameters, None, geometry_of(12, 10, 12), mean=ZERO, std=ONE)
    together = jitter(with_ones(pixels.flatten(2)), numbers, needed, constants)[:, :3].reshape(images.shape)
    assert torch.allclose(jitter_(images.clone(), parameters), together, atol=2e-6)
    untouched = order_keys(parameters) == -1
    assert 20 < untouched.sum() < 60  # a fifth of 200
    assert torch.equal(together[untouched], images[untouched])
    assert (together[~untouched] != images[~untouched]).flatten(1).any(1).all()


@pytest.mark.parametrize(("source", "size"), [(96, 64), (32, 32), (7, 20), (3, 2), (224, 5)])
def test_rows_of_the_matrices_are_keys_filter_cut_off_at_the_box(source: int, size: int) -> None:
    start, length = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([float(source), source - 1.0, 1.0])
    matrices = resize_matrices(start.double(), length.double(), source=source, size=size)
    for matrix, first, pixels in zip(matrices.tolist(), start.tolist(), length.tolist(), strict=True):
        scale = pixels / size
        for row, weights in enumerate(matrix):
            centre = first + (row + 0.5) * scale
            exact = []
            for pixel in range(source):
                t = abs(pixel + 0.5 - centre) / max(scale, 1)
                inside = first <= pixel < first + pixels
                near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
                exact.append(inside * (near if t < 1 else far if t < 2 else 0))
            assert weights == pytest.approx([each / sum(exact) for each in exact], abs=1e-12)


def test_hue_turns_the_colour_circle() -> None:
    red, green, blue = torch.eye(3)[:, :, None, None]
    third = torch.tensor([1 / 3])
    assert torch.allclose(shift_hue_(red[None], third), green[None], atol=1e-6)
    assert torch.allclose(shift_hue_(green[None], third), blue[None], atol=1e-6)
    grey = torch.full((1, 3, 2, 2), 0.4)
    assert torch.equal(shift_hue_(grey, torch.tensor([0.3])), grey)


def test_blur_is_a_gaussian_with_the_border_repeated() -> None:
    torch.manual_seed(0)
    images = torch.rand(5, 3, 20, 20, dtype=torch.float64)
    sigmas = torch.tensor([0.1, 0.4, 1.0, 1.7, 2.0], dtype=torch.float64)
    matrices = blur_matrices(sigmas, size=20, largest=2.0)
    for image, sigma, matrix in zip(images, sigmas.tolist(), matrices, strict=True):
        padded = tv.pad(image, [8, 8, 8, 8], padding_mode="edge")
        expected = tv.gaussian_blur(padded, [17, 17], [sigma, sigma])[:, 8:-8, 8:-8]
        assert torch.allclose(matrix @ image @ matrix.T, expected, atol=1e-7)


@BOTH
def test_blurred_views_are_near_pillows(augment: Augment) -> None:
    images = photographs(40, 64, 64)
    law = ViewLaw(crop_scale=(0.2, 1.0), crop_ratio=(3 / 4, 4 / 3), flip_p=0.5, blur_p=0.5)
    parameters = draw(law, images)
    pictures = MemoryImages(name="x", split="x", pixels=images)
    ours = augment(images, torch.arange(40), parameters, size=64, mean=ZERO, std=ONE)
    for index, view in enumerate(parameters.views()):
        theirs = tv.to_tensor(augment_image(pictures.image(index), view, 64))
        assert GREY_LEVELS * (ours[index] - theirs).abs().mean() < 1
    sharp = resample(images / 255, ViewParameters(
        **{name: getattr(parameters, name) for name in View._fields if name != "blur"},
        blur=torch.zeros(40),
    ), size=64).clamp(0, 1)  # fmt: skip
    changed = (sharp - ours).abs().amax((1, 2, 3)) > 1 / 255
    assert torch.equal(changed | (parameters.blur < 0.3), (parameters.blur > 0) | (parameters.blur < 0.3))


@BOTH
def test_an_identity_law_returns_the_images(augment: Augment) -> None:
    images = photographs(10, 24, 24)
    views = augment(images, torch.arange(10), draw(ViewLaw(), images), size=24, mean=ZERO, std=ONE)
    assert torch.allclose(views * 255, images.float(), atol=1e-3)


@BOTH
def test_views_of_inverted_grey_images_stay_in_their_range(augment: Augment) -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 8, 8).contiguous()
    law = ViewLaw(invert_p=1.0, grayscale_p=1.0)
    views = augment(images, torch.arange(2), draw(law, images), size=8, mean=ZERO, std=ONE)
    assert views.amin() >= 0
    assert views.amax() <= 1
    assert math.isclose(views[0].mean(), 1, abs_tol=1e-3)
    assert views[1].abs().max() < 1e-3


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = photographs(70, 32, 32)
    parameters = draw(EVERYTHING, images)
    rows = torch.arange(70).flip(0)
    whole = augment(images, rows, parameters, size=32, mean=ZERO, std=ONE)
    monkeypatch.setattr(batched, "CPU_CHUNK_PIXELS", 20 * 32 * 32)
    assert torch.allclose(augment(images, rows, parameters, size=32, mean=ZERO, std=ONE), whole, atol=1e-6)


def test_normalisation_is_per_channel() -> None:
    images = torch.ones(2, 3, 4, 4) * torch.tensor([0.2, 0.5, 0.9])[:, None, None]
    done = normalise_(images, (0.1, 0.5, 0.4), (0.1, 0.2, 0.25))
    assert torch.allclose(done.mean((0, 2, 3)), torch.tensor([1.0, 0.0, 2.0]))


@pytest.mark.parametrize("chunk", [20, 10**6])
def test_several_views_in_chunks_on_a_gpu_are_those_of_one_by_one(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = photographs(50, 32, 24)
    monkeypatch.setattr("wmse_tui.engine.data.device_views.CHUNK_PIXELS", chunk * 32 * 24)
    drawn = [draw(EVERYTHING, images), draw(PAPER, images)]
    options = {"size": 16, "mean": (0.1, 0.2, 0.3), "std": (0.3, 0.2, 0.5)}
    together = device_views(images, torch.arange(50).repeat(2), concatenate(drawn), **options)  # type: ignore[arg-type]
    expected = make_views(images, torch.arange(50), drawn, **options)  # type: ignore[arg-type]
    assert GREY_LEVELS * (together.view_as(expected) - expected).abs().max() < 0.01
