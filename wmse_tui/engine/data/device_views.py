"""Views on a GPU: all images at once, in few launches, and every number they need in one copy.

A small kernel costs a GPU less than its launch costs the host, so nothing here is done for a part of the
images. Brightness, contrast and saturation are one operation, x -> clamp(M x + v · mean(x)) on the three
channels, with a matrix and a vector for each image. Hue is another operation, and comes first, second, third
or last. Three such operations, hue, and three more hold every order: an image uses the first ones before hue
and as many after it as are left, and the others leave it as it is. A fourth channel of ones makes the offset
of an operation a column of its matrix. Inversion, grayscale and normalisation are one more matrix; they
commute with what follows. Crop, flip, resize and blur are two matrices per image (`resampling.py`), built for
both axes together.

The numbers are prepared where the parameters are drawn: on the CPU, or on the device (`recorded_views.py`).
Values as `batched.augment` on a CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wmse_tui.engine.data.colour import GRAY
from wmse_tui.engine.data.resampling import BLUR_REACH, CUBIC_REACH
from wmse_tui.engine.data.view_parameters import CONTRAST, HUE, SATURATION, ViewLaw, ViewParameters
from wmse_tui.engine.precision import full_precision
from wmse_tui.engine.transfer import pack_to_device

BLENDS = 6  # three before hue, three after it
NO_BLUR = 1e9  # 1 / sigma of views that are not blurred
LEAST_CHROMA = 1e-12  # grey pixels have no hue, and any will do
CHUNK_PIXELS = 2**26  # images times their pixels at once: bounds the temporary memory to a few GB


@dataclass(frozen=True, slots=True, eq=False)
class ViewGeometry:
    """Sizes that all views of a batch share, in pixels.

    source: the longer side of the images. size: of the views. taps: the most weights that are not zero in a
    row of a matrix from one to the other.
    """

    source: int
    size: int
    taps: int


def geometry_of(height: int, width: int, size: int) -> ViewGeometry:
    """That of images of one size and their views."""
    source = max(height, width)
    return ViewGeometry(source, size, min(source, math.ceil(2 * CUBIC_REACH * max(1.0, source / size))))


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """What the making of all views shares, on one device; float32 where nothing else is noted.

    neutral: (3, 1), values of the operations that change nothing. basis: (2, 3, 4), brightness and saturation
    as matrices. luma: (3, 3), each row the weights of grey. unit: (3, 3). opposite: (3,), where on the colour
    circle each channel is 0, in turns, less one half. differences: (1, 4, 4): the next channel less the one
    after it, and the least chroma. shift, scale: (3,), the normalisation as (x - shift) · scale.
    low, high: (3, 1, 1), 0 and 1 normalised. lines: (size, 1, 1), 0 to size - 1. taps: int64 (taps,), from 0.
    reach, square, cube: (2,): the kernel as a sum of w²(square + cube · w) with w = (reach - |t|)₊.
    """

    neutral: Tensor
    basis: Tensor
    luma: Tensor
    unit: Tensor
    opposite: Tensor
    differences: Tensor
    shift: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor
    lines: Tensor
    taps: Tensor
    reach: Tensor
    square: Tensor
    cube: Tensor


def constants_of(geometry: ViewGeometry, mean: tuple[float, ...], std: tuple[float, ...]) -> Constants:
    """The constants, on the CPU."""
    luma, unit = torch.tensor(GRAY).expand(3, 3), torch.eye(3)
    shift, scale = torch.tensor(mean, dtype=torch.float32), 1 / torch.tensor(std, dtype=torch.float32)
    differences = torch.tensor(((0, 1, -1, 0), (-1, 0, 1, 0), (1, -1, 0, 0), (0, 0, 0, LEAST_CHROMA)))
    return Constants(
        neutral=torch.tensor((1.0, 0.0, 0.0))[:, None],
        basis=torch.nn.functional.pad(torch.stack((unit, luma)), (0, 1)),
        luma=luma,
        unit=unit,
        opposite=torch.tensor((0.0, 1 / 3, -1 / 3)) - 0.5,
        differences=differences[None],
        shift=shift,
        scale=scale,
        low=(-shift * scale)[:, None, None],
        high=((1 - shift) * scale)[:, None, None],
        lines=torch.arange(geometry.size, dtype=torch.float32)[:, None, None],
        taps=torch.arange(geometry.taps),
        reach=torch.tensor((1.0, 2.0)),
        square=torch.tensor((1.0, -0.5)),
        cube=torch.tensor((-2.0, 0.5)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What the operations of n views need, on one device; float32 where nothing else is noted.

    blend: (n, 6, 3, 4), matrices of the colour operations; the offsets are added to the last column.
    mean: (n, 6, 3, 3), how the offset of each channel is mixed from the mean colour.
    opposite: (n, 3, 1), where on the colour circle each channel is 0, in turns, negated. turned: bool
    (n, 1, 1), hue changes. final: (n, 3, 4): inversion, grayscale and normalisation.
    origin: (n, 1, 2, 2), of the vertical and horizontal axis: the centre in the image of the first output
    pixel, and the first pixel that it mixes. step: (n, 1, 2, 1), the way to the next. density:
    (n, 1, 2, 1, 1), taps per pixel. lowest, highest: (n, 1, 2), the bounds of the first pixel. start, last:
    int64 (n, 1, 2, 1), the box. sharpness: (n, 1), 1 / sigma of the blur in 1 / px, squared.
    """

    blend: Tensor
    mean: Tensor
    opposite: Tensor
    turned: Tensor
    final: Tensor
    origin: Tensor
    step: Tensor
    density: Tensor
    lowest: Tensor
    highest: Tensor
    start: Tensor
    last: Tensor
    sharpness: Tensor


@dataclass(frozen=True, slots=True)
class Needed:
    """Which operations change any view: known on the CPU, so that the others are not launched.

    blends: for each of the six whether it is used, and whether it uses the mean. hue: whether it changes.
    narrow: a box may be narrower than the taps of the filter, so that these are cut off at its border.
    largest_blur: the largest sigma in px; 0: no view is blurred.
    """

    blends: tuple[tuple[bool, bool], ...]
    hue: bool
    narrow: bool
    largest_blur: float


def needed_by_law(law: ViewLaw, geometry: ViewGeometry, *, height: int, width: int) -> Needed:
    """What any views of images of one size may need, whatever is drawn for them."""
    jittered = law.jitter_p > 0
    used = jittered and max(law.brightness, law.contrast, law.saturation) > 0
    least_area, wide = law.crop_scale[0] * height * width, max(law.crop_ratio[1], 1 / law.crop_ratio[0])
    narrowest = min(math.floor(math.sqrt(least_area / wide)), height // wide, width // wide)
    return Needed(
        blends=((used, jittered and law.contrast > 0),) * BLENDS,
        hue=jittered and law.hue > 0,
        narrow=narrowest < geometry.taps,
        largest_blur=law.blur_sigma[1] if law.blur_p > 0 else 0.0,
    )


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
    geometry = geometry_of(height, width, size)
    constants, numbers, needed, blur = prepare(parameters, covered, geometry, mean=mean, std=std)
    groups = ((rows,), fields_of(constants), blur, fields_of(numbers))
    sent = iter(pack_to_device(sum(groups, ()), pixels.device))
    (there,), constant_fields, blur, number_fields = (tuple(next(sent) for _ in group) for group in groups)
    return make_device_views(
        pixels, there, Constants(*constant_fields), Numbers(*number_fields), needed, blur, geometry
    )


def prepare(
    parameters: ViewParameters,
    covered: Tensor | None,
    geometry: ViewGeometry,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> tuple[Constants, Numbers, Needed, tuple[Tensor, ...]]:
    """What `make_device_views` needs for parameters that were drawn on the CPU; all on the CPU."""
    constants = constants_of(geometry, mean, std)
    numbers = prepare_numbers(parameters, covered, constants, geometry)
    needed = needed_by_parameters(parameters, geometry)
    blur = blur_pixels(geometry.size, needed.largest_blur) if needed.largest_blur else ()
    return constants, numbers, needed, blur


def fields_of(record: Constants | Numbers) -> tuple[Tensor, ...]:
    """Its tensors, in order."""
    return tuple(getattr(record, name) for name in record.__slots__)


def make_device_views(
    pixels: Tensor,
    rows: Tensor,
    constants: Constants,
    numbers: Numbers,
    needed: Needed,
    blur: tuple[Tensor, ...],
    geometry: ViewGeometry,
) -> Tensor:
    """The views float32 (n, 3, size, size) by prepared numbers, everything on the device of the `pixels`.

    Args:
        rows: int64 (n,), which images.
        blur: of `blur_pixels`; empty if no view is blurred.
    """
    height, width = pixels.shape[2:]
    size = geometry.size
    views = torch.empty(len(rows), 3, size, size, device=pixels.device)
    chunk = max(16, CHUNK_PIXELS // (height * width))
    with full_precision(pixels.device.type):
        for first in range(0, len(rows), chunk):
            part = slice(first, first + chunk)
            one = Numbers(*(field[part] for field in fields_of(numbers)))
            images = with_ones(pixels.index_select(0, rows[part]).flatten(2))
            images = torch.bmm(one.final, jitter(images, one, needed, constants))
            matrices = resize_both(one, constants, needed, geometry)
            if blur:
                matrices = (blur_matrix(one, *blur, size=size) @ matrices.flatten(2)).unflatten(2, (2, -1))
            made = apply_both(images.view(-1, 3, height, width), matrices)
            torch.clamp(made, constants.low, constants.high, out=views[part])
    return views


def needed_by_parameters(parameters: ViewParameters, geometry: ViewGeometry) -> Needed:
    """What the views of some parameters on the CPU need."""
    factors = parameters.brightness, parameters.contrast, parameters.saturation
    position = parameters.order.argsort(1)  # of each operation
    after_hue = position[:, :HUE] > position[:, HUE:]
    slot = torch.where(after_hue, position[:, :HUE] + BLENDS // 2 - 1 - position[:, HUE:], position[:, :HUE])
    changed = torch.stack(factors, dim=1) != 1
    used = set(slot[changed].tolist())
    with_mean = set(slot[:, CONTRAST][changed[:, CONTRAST]].tolist())
    return Needed(
        blends=tuple((number in used, number in with_mean) for number in range(BLENDS)),
        hue=bool((parameters.hue != 0).any()),
        narrow=bool((parameters.box[:, 2:] < geometry.taps).any()),
        largest_blur=float(parameters.blur.max()),
    )


def prepare_numbers(
    parameters: ViewParameters, covered: Tensor | None, constants: Constants, geometry: ViewGeometry
) -> Numbers:
    """The numbers of n views.

    Args:
        parameters: on the device of the `constants`.
        covered: float32 (n,), the share of its area that each image fills; None: all of it.
    """
    blend, mean = _blends(parameters, covered, constants)
    sign = (1 - 2 * parameters.inverted.float())[:, None, None]
    mixed = sign * torch.where(parameters.grayscale[:, None, None], constants.luma, constants.unit)
    # The luma of white is a little less than 1: grey of an inverted image is that of 1 - x.
    offset = parameters.inverted * torch.where(parameters.grayscale, sum(GRAY), 1.0)
    column = (offset[:, None] - constants.shift) * constants.scale
    box = parameters.box[:, None].double()
    start, length = box[..., :2], box[..., 2:]
    scale = length / geometry.size
    flipped = torch.stack((torch.zeros_like(parameters.flipped), parameters.flipped), dim=1)[:, None]
    width = scale.clamp_min(1)
    centre = start + torch.where(flipped, geometry.size - 0.5, 0.5) * scale - 0.5
    lowest = start.clamp_max(geometry.source - geometry.taps)
    return Numbers(
        blend=blend,
        mean=mean,
        opposite=(parameters.hue[:, None] - constants.opposite)[..., None],
        turned=(parameters.hue != 0)[:, None, None],
        final=torch.cat((mixed * constants.scale[:, None], column[..., None]), dim=2),
        origin=torch.stack((centre, centre - (CUBIC_REACH * width - 1)), dim=-1).float(),
        step=torch.where(flipped, -scale, scale)[..., None].float(),
        density=(1 / width)[..., None, None].float(),
        lowest=lowest.float(),
        highest=torch.maximum(lowest, start + length - geometry.taps).float(),
        start=parameters.box[:, None, :2, None].contiguous(),
        last=(parameters.box[:, None, :2] + parameters.box[:, None, 2:] - 1)[..., None],
        sharpness=torch.where(parameters.blur > 0, 1 / parameters.blur, NO_BLUR).square()[:, None],
    )


def _blends(
    parameters: ViewParameters, covered: Tensor | None, constants: Constants
) -> tuple[Tensor, Tensor]:
    """Matrices (n, 6, 3, 4) of the colour operations, and (n, 6, 3, 3) that mix their offsets."""
    order, ones = parameters.order, torch.ones_like(parameters.hue)
    factors = torch.stack((parameters.brightness, parameters.contrast, parameters.saturation, ones), dim=1)
    factors = factors.gather(1, order)  # in the order of the operations; 1 at the position of hue
    position = torch.arange(4, device=order.device)
    hue = (order == HUE).long().argmax(1, keepdim=True)
    slot = torch.where(position < hue, position, position - hue + BLENDS // 2 - 1)
    slot = slot.masked_fill(position == hue, BLENDS)
    to_mean = (1 - factors) * (order == CONTRAST)
    if covered is not None:
        to_mean /= covered[:, None]
    values = torch.stack((factors, (1 - factors) * (order == SATURATION), to_mean), dim=1)
    by_slot = constants.neutral.repeat(len(order), 1, BLENDS + 1)
    by_slot.scatter_(2, slot[:, None].expand(-1, 3, -1), values)
    factors, to_gray, to_mean = (each[..., None, None] for each in by_slot[..., :BLENDS].unbind(1))
    brighter, greyer = constants.basis
    return torch.addcmul(factors * brighter, to_gray, greyer), to_mean * constants.luma


def with_ones(images: Tensor) -> Tensor:
    """Room for the colour operations, float32 (2, n, 4, pixels).

    The first half begins with uint8 `images` (n, 3, pixels), in [0, 1]. The last channel is 1.
    """
    canvas = torch.empty(2, len(images), 4, images.shape[2], device=images.device)
    canvas[:, :, 3].fill_(1)
    torch.div(images, 255, out=canvas[0, :, :3])
    return canvas


def jitter(canvas: Tensor, numbers: Numbers, needed: Needed, constants: Constants) -> Tensor:
    """Brightness, contrast, saturation and hue of the images on a canvas, (n, 4, pixels) of it.

    Writes the offsets into `numbers.blend`.
    """
    images, free = canvas.unbind()
    for slot, (used, mean_used) in enumerate(needed.blends):
        if slot == BLENDS // 2 and needed.hue:
            turn_hue_(images, numbers, constants)
        if used:
            blend = numbers.blend[:, slot]
            if mean_used:
                blend[:, :, 3:].baddbmm_(numbers.mean[:, slot], images[:, :3].mean(2, keepdim=True))
            torch.bmm(blend, images, out=free[:, :3])
            free[:, :3].clamp_(0, 1)
            images, free = free, images
    return images


def turn_hue_(images: Tensor, numbers: Numbers, constants: Constants) -> None:
    """As `colour.shift_hue_`, of images (n, 4, pixels) whose last channel is 1."""
    colours = images[:, :3]
    value, channel = colours.max(1, keepdim=True)
    differences = torch.bmm(constants.differences.expand(len(images), 4, 4), images)
    chroma = torch.linalg.vector_norm(differences, math.inf, dim=1, keepdim=True)
    distance = torch.add(numbers.opposite, channel, alpha=1 / 3)
    distance.addcdiv_(differences.gather(1, channel), chroma, value=1 / 6)
    darkness = torch.rsub(distance.sub_(distance.round()).abs_(), 2, alpha=6).clamp_(0, 1)
    turned = torch.addcmul(value, chroma, darkness, value=-1)
    torch.where(numbers.turned, turned, colours, out=colours)


def resize_both(numbers: Numbers, constants: Constants, needed: Needed, geometry: ViewGeometry) -> Tensor:
    """The matrices (n, size, 2, source) of both axes; as `resampling.resize_matrices`, flip included.

    The kernel is that of Keys, a = -0.5, at t >= 0: u²(1 - 2u) + ½v²(v - 1), u = (1 - t)₊ and v = (2 - t)₊.
    """
    both = torch.addcmul(numbers.origin, numbers.step, constants.lines)
    first = both[..., 1].clamp(numbers.lowest, numbers.highest).long()
    pixel = first[..., None] + constants.taps
    t = torch.sub(pixel, both[..., :1]).abs_()
    w = torch.addcmul(constants.reach, t[..., None], numbers.density, value=-1).clamp_min_(0)
    weights = (w * w).mul_(torch.addcmul(constants.square, constants.cube, w)).sum(-1)
    if needed.narrow:
        weights *= pixel == pixel.clamp(numbers.start, numbers.last)
    weights /= weights.sum(-1, keepdim=True)
    return weights.new_zeros(*weights.shape[:3], geometry.source).scatter_(3, pixel, weights)


def blur_pixels(size: int, largest: float) -> tuple[Tensor, Tensor]:
    """The exponents (taps,) of the weights of a blur, and the pixels (taps, size) that they mix.

    Args:
        largest: sigma of the views in px.
    """
    reach = math.ceil(BLUR_REACH * largest)
    offset = torch.arange(-reach, reach + 1)
    return offset.float().square() * -0.5, (torch.arange(size) + offset[:, None]).clamp_(0, size - 1)


def blur_matrix(numbers: Numbers, exponent: Tensor, pixel: Tensor, *, size: int) -> Tensor:
    """The matrices (n, size, size) of each view's blur; as `resampling.blur_matrices`."""
    taps = (numbers.sharpness * exponent).exp_()
    taps = taps.div_(taps.sum(1, keepdim=True))
    mixed = taps.new_zeros(*pixel.shape, size).scatter_(2, pixel[..., None], 1.0)
    return (taps @ mixed.flatten(1)).view(-1, size, size)


def apply_both(images: Tensor, matrices: Tensor) -> Tensor:
    """Views (n, 3, size, size) of images (n, 3, height, width) by the matrices of `resize_both`."""
    n, channels, height, width = images.shape
    size = matrices.shape[1]
    vertical, horizontal = matrices[:, :, 0, :height], matrices[:, :, 1, :width]
    narrow = torch.bmm(horizontal, images.view(n, channels * height, width).mT)
    turned = torch.bmm(narrow.view(n, size * channels, height), vertical.mT)
    return turned.view(n, size, channels, size).permute(0, 2, 3, 1)
