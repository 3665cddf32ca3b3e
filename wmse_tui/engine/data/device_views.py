"""Views on a GPU: all images at once, in few launches, and every number they need in one copy.

A small kernel costs a GPU less than its launch costs the host, so nothing here is done for a part of the
images. Brightness, contrast and saturation are one operation, x -> clamp(M x + v · mean(x)) on the three
channels, with a matrix and a vector for each image. Hue is another operation, and comes first, second, third
or last. Three such operations, hue, and three more hold every order: an image uses the first ones before hue
and as many after it as are left, and the others leave it as it is. Crop, flip, resize and blur are two
matrices per image (`resampling.py`), built for both axes together.

The numbers are prepared on the CPU, where the parameters are drawn. Values as `batched.augment` on a CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wmse_tui.engine.data.colour import GRAY
from wmse_tui.engine.data.resampling import BLUR_REACH, CUBIC_REACH
from wmse_tui.engine.data.view_parameters import CONTRAST, HUE, SATURATION, ViewParameters
from wmse_tui.engine.precision import full_precision
from wmse_tui.engine.transfer import pack_to_device

BLENDS = 6  # three before hue, three after it
NO_BLUR = 1e9  # 1 / sigma of views that are not blurred
CHUNK_PIXELS = 2**26  # images times their pixels at once: bounds the temporary memory to a few GB


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What the operations of n views need, on one device; all float32 but `turned`.

    blend: (n, 6, 3, 3), matrices of the colour operations. mean: (n, 6, 3), their weights of the mean colour.
    opposite: (n, 3), where on the colour circle each channel is 0, in turns. turned: bool (n,), hue changes.
    differences: (n, 3, 3), the next channel less the one after it, over 6. final: (n, 3, 3) and
    offset (n, 1): inversion and grayscale.
    centre, step, reach, density, start, end: (n, 2), of the vertical and horizontal axis: the centre in the
    image of the first output pixel, the way to the next, the way to the first weight, taps per pixel, and the
    box.
    sharpness: (n,), 1 / sigma of the blur in 1 / px.
    """

    blend: Tensor
    mean: Tensor
    opposite: Tensor
    turned: Tensor
    differences: Tensor
    final: Tensor
    offset: Tensor
    centre: Tensor
    step: Tensor
    reach: Tensor
    density: Tensor
    start: Tensor
    end: Tensor
    sharpness: Tensor


@dataclass(frozen=True, slots=True)
class Needed:
    """Which operations change any view: known on the CPU, so that the others are not launched.

    blends: for each of the six whether it is used, and whether it uses the mean.
    """

    blends: tuple[tuple[bool, bool], ...]
    hue: bool
    final: bool
    inversion: bool
    largest_blur: float


def device_views(
    pixels: Tensor,
    rows: Tensor,
    parameters: ViewParameters,
    *,
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    covered: Tensor | None = None,
) -> Tensor:
    """As `batched.augment`, in few launches and without waiting for the device.

    Returns:
        float32 (n, 3, size, size).
    """
    height, width = pixels.shape[2:]
    numbers, needed = prepare_numbers(parameters, covered, size=size)
    scaling = torch.tensor((mean, std), dtype=torch.float32)[:, :, None, None]
    taps = tap_count(max(height, width), size)
    names = Numbers.__slots__
    constants = (torch.arange(size)[:, None].float(), torch.arange(taps) + 0.5, scaling)
    fields = tuple(getattr(numbers, name) for name in names)
    blur = blur_pixels(size, needed.largest_blur) if needed.largest_blur else ()
    sent = pack_to_device((rows, *constants, *blur, *fields), pixels.device)
    there, lines, halves, (shift, scale) = sent[:4]
    blur_numbers = sent[4 : 4 + len(blur)]
    fields = sent[4 + len(blur) :]
    views = torch.empty(len(rows), 3, size, size, device=pixels.device)
    chunk = max(16, CHUNK_PIXELS // (height * width))
    with full_precision(pixels.device.type):
        for first in range(0, len(rows), chunk):
            part = slice(first, first + chunk)
            one = Numbers(*(field[part] for field in fields))
            images = torch.div(pixels.index_select(0, there[part]), 255)
            coloured = jitter(images.flatten(2), one, needed).view(images.shape)
            matrices = resize_both(one, lines, halves, source=max(height, width))
            if needed.largest_blur:
                matrices = blur_matrix(one, *blur_numbers, size=size) @ matrices.flatten(2)
                matrices = matrices.unflatten(2, (2, -1))
            made = apply_both(coloured, matrices)
            if needed.final:
                mixed = torch.bmm(one.final, made.flatten(2))
                made = (mixed.add_(one.offset[..., None]) if needed.inversion else mixed).view(made.shape)
            torch.div(made.clamp_(0, 1).sub_(shift), scale, out=views[part])
    return views


def prepare_numbers(
    parameters: ViewParameters, covered: Tensor | None, *, size: int
) -> tuple[Numbers, Needed]:
    """The numbers of n views on the CPU, and which operations they use.

    Args:
        parameters: on the CPU.
        covered: float32 (n,), the share of its area that each image fills; None: all of it.
        size: of the views in pixels.
    """
    blend, mean, used = _blends(parameters, covered)
    turned = parameters.hue != 0
    opposite = torch.tensor((0.0, 1 / 3, -1 / 3)) - 0.5 - parameters.hue[:, None]
    luma = torch.tensor(GRAY).expand(3, 3)
    sign = (1 - 2 * parameters.inverted.float())[:, None, None]
    final = sign * torch.where(parameters.grayscale[:, None, None], luma, torch.eye(3))
    # The luma of white is a little less than 1: grey of an inverted image is that of 1 - x.
    white = torch.where(parameters.grayscale, sum(GRAY), 1.0)
    box = parameters.box.double()
    start, length = box[:, :2], box[:, 2:]
    scale = length / size
    flipped = torch.stack((torch.zeros_like(parameters.flipped), parameters.flipped), dim=1)
    width = scale.clamp_min(1)
    numbers = Numbers(
        blend=blend,
        mean=mean,
        opposite=opposite,
        turned=turned,
        differences=torch.tensor(((0, 1, -1), (-1, 0, 1), (1, -1, 0))).div(6).expand(len(turned), 3, 3),
        final=final,
        offset=(parameters.inverted * white)[:, None],
        centre=(start + torch.where(flipped, size - 0.5, 0.5) * scale).float(),
        step=torch.where(flipped, -scale, scale).float(),
        reach=(CUBIC_REACH * width - 0.5).float(),
        density=(1 / width).float(),
        start=start.float(),
        end=(start + length).float(),
        sharpness=torch.where(parameters.blur > 0, 1 / parameters.blur, NO_BLUR),
    )
    needed = Needed(
        blends=used,
        hue=bool(turned.any()),
        final=bool((parameters.inverted | parameters.grayscale).any()),
        inversion=bool(parameters.inverted.any()),
        largest_blur=float(parameters.blur.max()),
    )
    return numbers, needed


def _blends(
    parameters: ViewParameters, covered: Tensor | None
) -> tuple[Tensor, Tensor, tuple[tuple[bool, bool], ...]]:
    """Matrices (n, 6, 3, 3) and weights of the mean (n, 6, 3) of the colour operations; which are used."""
    n, order = len(parameters), parameters.order
    ones = torch.ones(n)
    factors = torch.stack((parameters.brightness, parameters.contrast, parameters.saturation, ones), dim=1)
    factors = factors.gather(1, order)  # in the order of the operations; 1 at the position of hue
    position = torch.arange(4)
    hue = (order == HUE).long().argmax(1, keepdim=True)
    slot = torch.where(position < hue, position, position - hue + 2)
    slot = slot.masked_fill(position == hue, BLENDS)
    to_mean = (1 - factors) * (order == CONTRAST)
    if covered is not None:
        to_mean /= covered[:, None]
    to_gray = (1 - factors) * (order == SATURATION)

    def by_slot(values: Tensor, neutral: float) -> Tensor:
        return torch.full((n, BLENDS + 1), neutral).scatter_(1, slot, values)[:, :BLENDS]

    factors, to_mean, to_gray = by_slot(factors, 1.0), by_slot(to_mean, 0.0), by_slot(to_gray, 0.0)
    luma = torch.tensor(GRAY)
    blend = factors[..., None, None] * torch.eye(3) + to_gray[..., None, None] * luma
    used = (factors != 1).any(0).tolist()
    mean_used = (to_mean != 0).any(0).tolist()
    return blend, to_mean[..., None] * luma, tuple(zip(used, mean_used, strict=True))


def jitter(images: Tensor, numbers: Numbers, needed: Needed) -> Tensor:
    """Brightness, contrast, saturation and hue of float `images` (n, 3, pixels) in [0, 1]."""
    for slot, (used, mean_used) in enumerate(needed.blends):
        if slot == BLENDS // 2 and needed.hue:
            images = turn_hue(images, numbers)
        if used:
            mixed = torch.bmm(numbers.blend[:, slot], images)
            if mean_used:
                mixed.add_(torch.bmm(numbers.mean[:, slot, None], images.mean(2, keepdim=True)))
            images = mixed.clamp_(0, 1)
    return images


def turn_hue(images: Tensor, numbers: Numbers) -> Tensor:
    """As `colour.shift_hue_`, of images (n, 3, pixels) and in a new tensor."""
    value, channel = images.max(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    hue = torch.bmm(numbers.differences, images).gather(1, channel)
    hue = hue.div_(chroma.clamp_min(1e-12)).add_(channel, alpha=1 / 3)
    distance = hue - numbers.opposite[..., None]
    darkness = torch.rsub(distance.sub_(distance.round()).abs_(), 2, alpha=6).clamp_(0, 1)
    turned = torch.addcmul(value, chroma, darkness, value=-1)
    return torch.where(numbers.turned[:, None, None], turned, images)


def tap_count(source: int, size: int) -> int:
    """The most weights that are not zero in a row of a matrix from `source` to `size` pixels."""
    return min(source, math.ceil(2 * CUBIC_REACH * max(1.0, source / size)))


def resize_both(numbers: Numbers, lines: Tensor, halves: Tensor, *, source: int) -> Tensor:
    """The matrices (n, size, 2, source) of both axes; as `resampling.resize_matrices`, flip included.

    Args:
        lines: float32 (size, 1), 0 to size - 1.
        halves: float32 (taps,), 0.5 to taps - 0.5.
        source: pixels of the longer side of the images.
    """

    def axes(field: Tensor) -> Tensor:
        return field[:, None]

    centre = torch.addcmul(axes(numbers.centre), axes(numbers.step), lines)
    first = centre.sub(axes(numbers.reach)).floor_().clamp_(0, source - len(halves))
    pixel = first[..., None] + halves  # the middle of each
    t = pixel.sub(centre[..., None]).mul_(axes(numbers.density)[..., None]).abs_()
    weights = keys_cubic(t)
    weights *= (pixel > axes(numbers.start)[..., None]) & (pixel < axes(numbers.end)[..., None])
    weights /= weights.sum(-1, keepdim=True)
    return weights.new_zeros(*weights.shape[:3], source).scatter_(3, pixel.long(), weights)


def keys_cubic(t: Tensor) -> Tensor:
    """Keys' kernel, a = -0.5, at t >= 0: u²(1 - 2u) + ½v²(v - 1) with u = (1 - t)₊ and v = (2 - t)₊."""
    u, v = torch.rsub(t, 1).clamp_min_(0), torch.rsub(t, 2).clamp_min_(0)
    u_squared, v_squared = u * u, v * v
    inner = torch.addcmul(u_squared, u_squared, u, value=-2)
    return inner.addcmul_(v_squared, v, value=0.5).sub_(v_squared, alpha=0.5)


def blur_pixels(size: int, largest: float) -> tuple[Tensor, Tensor]:
    """Offsets (taps,) of a blur whose largest sigma is given, and the pixels (taps, size) that they mix."""
    reach = math.ceil(BLUR_REACH * largest)
    offset = torch.arange(-reach, reach + 1)
    return offset.float(), (torch.arange(size) + offset[:, None]).clamp_(0, size - 1)


def blur_matrix(numbers: Numbers, offset: Tensor, pixel: Tensor, *, size: int) -> Tensor:
    """The matrices (n, size, size) of each view's blur; as `resampling.blur_matrices`."""
    taps = (numbers.sharpness[:, None] * offset).square_().mul_(-0.5).exp_()
    taps = taps.div_(taps.sum(1, keepdim=True))
    mixed = taps.new_zeros(*pixel.shape, size).scatter_(2, pixel[..., None], 1.0)
    return (taps @ mixed.flatten(1)).view(-1, size, size)


def apply_both(images: Tensor, matrices: Tensor) -> Tensor:
    """Views (n, 3, size, size) of images (n, 3, height, width) by the matrices of `resize_both`."""
    n, channels, height, width = images.shape
    size = matrices.shape[1]
    vertical, horizontal = matrices[:, :, 0, :height], matrices[:, :, 1, :width]
    narrow = torch.bmm(images.view(n, channels * height, width), horizontal.mT)
    return vertical[:, None] @ narrow.view(n, channels, height, size)
