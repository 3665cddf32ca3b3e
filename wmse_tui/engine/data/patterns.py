"""The embedded data set: ten kinds of pattern, drawn by formula, so that a first run needs no download.

Every image has its own centre, direction, scale, phase, profile, contrast, light and faint tint. So single
pixels reveal little of the kind, and the form all of it. The images are nearly grey on purpose: with
strong random colours a network matches two views by their hue and learns nothing of form.

Image i of a split is a function of (split, i) alone; its kind is i modulo ten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wmse_tui.engine.data.images import empty_pixels
from wmse_tui.engine.random import Stream, uniforms

TRAIN_SPLIT, TEST_SPLIT = 0, 1
TURN = 2 * math.pi
CHUNK_PIXELS = 2**20  # pixels drawn at once: bounds the temporary memory


class PatternNumbers:
    """Uniform numbers of n images, one slot after the other, as (n, 1, 1)."""

    def __init__(self, indices: Tensor, split_seed: int, slots: int) -> None:
        self._u = uniforms(
            seed=0, epoch=split_seed, indices=indices, view=0, slots=slots, stream=Stream.PATTERNS
        )
        self._next = 0

    def between(self, low: float, high: float) -> Tensor:
        return low + (high - low) * self._take(1)[:, :, None]

    def whole(self, low: int, high: int) -> Tensor:
        """Whole numbers from `low` to `high`, both included."""
        return self.between(low, high + 1).floor()

    def sign(self) -> Tensor:
        return 2 * self.whole(0, 1) - 1

    def field(self, size: int) -> Tensor:
        """Independent numbers in [-1, 1) for size x size points, (n, size, size)."""
        return (2 * self._take(size * size) - 1).view(-1, size, size)

    def _take(self, count: int) -> Tensor:
        start, self._next = self._next, self._next + count
        if self._next > self._u.shape[1]:
            raise ValueError("the slots of this image are used up")
        return self._u[:, start : self._next]


class Plane:
    """Coordinates of n images, each turned about its own centre; an image is one unit wide."""

    def __init__(self, numbers: PatternNumbers, size: int) -> None:
        line = (torch.arange(size) + 0.5) / size - 0.5
        angle = numbers.between(0, TURN)
        x = line[None, None, :] - numbers.between(-0.3, 0.3)
        y = line[None, :, None] - numbers.between(-0.3, 0.3)
        self.u = x * angle.cos() + y * angle.sin()
        self.v = y * angle.cos() - x * angle.sin()
        self.size = size

    @property
    def radius(self) -> Tensor:
        return torch.hypot(self.u, self.v)

    @property
    def angle(self) -> Tensor:
        return torch.atan2(self.v, self.u)


def _stripes(plane: Plane, numbers: PatternNumbers) -> Tensor:
    return torch.sin(TURN * (numbers.between(2.5, 6) * plane.u + numbers.between(0, 1)))


def _checks(plane: Plane, numbers: PatternNumbers) -> Tensor:
    waves = TURN * numbers.between(1.5, 3.5)
    return 1.6 * torch.sin(waves * plane.u + numbers.between(0, TURN)) * torch.sin(waves * plane.v)


def _rings(plane: Plane, numbers: PatternNumbers) -> Tensor:
    return torch.sin(TURN * (numbers.between(2.5, 6) * plane.radius + numbers.between(0, 1)))


def _rays(plane: Plane, numbers: PatternNumbers) -> Tensor:
    return torch.sin(numbers.whole(4, 9) * plane.angle)


def _spirals(plane: Plane, numbers: PatternNumbers) -> Tensor:
    turns = numbers.between(2.5, 5) * plane.radius
    return torch.sin(TURN * turns + numbers.sign() * numbers.whole(1, 3) * plane.angle)


def _waves(plane: Plane, numbers: PatternNumbers) -> Tensor:
    bend = numbers.between(0.06, 0.12) * torch.sin(
        TURN * (numbers.between(1.5, 3) * plane.v + numbers.between(0, 1))
    )
    return torch.sin(TURN * (numbers.between(2.5, 5) * (plane.u + bend) + numbers.between(0, 1)))


def _grids(plane: Plane, numbers: PatternNumbers) -> Tensor:
    lines = math.pi * numbers.between(3, 5.5)
    width = numbers.between(0.2, 0.4)
    across = torch.sin(lines * plane.u + numbers.between(0, TURN)).abs()
    along = torch.sin(lines * plane.v + numbers.between(0, TURN)).abs()
    return (2 * (width - torch.minimum(across, along)) / width).clamp(-1, 1)


def _blobs(plane: Plane, numbers: PatternNumbers) -> Tensor:
    total = torch.zeros_like(plane.u)
    for _ in range(6):
        x, y = plane.u - numbers.between(-0.5, 0.5), plane.v - numbers.between(-0.5, 0.5)
        spread, stretch = numbers.between(0.08, 0.18), numbers.between(0.6, 1.6)
        total += numbers.sign() * torch.exp(-((x * stretch) ** 2 + (y / stretch) ** 2) / (2 * spread**2))
    return 1.5 * total


def _noise(plane: Plane, numbers: PatternNumbers) -> Tensor:
    coarseness = numbers.between(0, 1)
    field = numbers.field(plane.size)
    blurred = torch.nn.functional.avg_pool2d(field[:, None], 3, stride=1, padding=1)[:, 0]
    return 1.5 * ((1 - coarseness) * field + 2.5 * coarseness * blurred)


def _dots(plane: Plane, numbers: PatternNumbers) -> Tensor:
    total = torch.full_like(plane.u, 4.0)
    for _ in range(30):
        x, y = plane.u - numbers.between(-0.65, 0.65), plane.v - numbers.between(-0.65, 0.65)
        total = torch.minimum(total, torch.hypot(x, y))
    radius = numbers.between(0.04, 0.07)
    return (2 * (radius - total) / 0.04).clamp(-1, 1)


Kind = Callable[[Plane, PatternNumbers], Tensor]
"""Draws the form of n images, about [-1, 1], (n, size, size)."""

KINDS: tuple[tuple[str, Kind], ...] = (
    ("stripes", _stripes),
    ("checks", _checks),
    ("rings", _rings),
    ("rays", _rays),
    ("spirals", _spirals),
    ("waves", _waves),
    ("grids", _grids),
    ("blobs", _blobs),
    ("noise", _noise),
    ("dots", _dots),
)
CLASSES = tuple(name for name, _ in KINDS)


def draw_patterns(
    indices: int | Tensor, *, split_seed: int, size: int = 32, kinds: Sequence[tuple[str, Kind]] = KINDS
) -> tuple[Tensor, Tensor]:
    """Draw images of a split.

    Args:
        indices: which images, int64 (n,) in [0, 2**32), or how many from the first on.
        split_seed: the split, in [0, 2**32); splits share no random number.
        size: height and width in pixels.
        kinds: the classes.

    Returns:
        pixels, uint8 (n, 3, size, size), and labels, int64 (n,), numbers of `kinds`.
    """
    chosen = torch.arange(indices) if isinstance(indices, int) else indices
    labels = chosen % len(kinds)
    pixels = empty_pixels(len(chosen), size, size, "patterns")
    chunk = max(1, CHUNK_PIXELS // size**2)
    for label, (_, kind) in enumerate(kinds):
        for part in (labels == label).nonzero()[:, 0].split(chunk):
            pixels[part] = _draw(kind, chosen[part], split_seed, size)
    return pixels, labels


def _draw(kind: Kind, indices: Tensor, split_seed: int, size: int) -> Tensor:
    slots = 100 + (size * size if kind is _noise else 0)
    numbers = PatternNumbers(indices, split_seed, slots)
    contrast = numbers.between(math.log(0.1), math.log(0.45)).exp()
    light, hardness = numbers.between(0.35, 0.65), numbers.between(0.5, 3)
    tint = torch.cat([numbers.between(-0.03, 0.03) for _ in range(3)], dim=1)[..., None]
    form = kind(Plane(numbers, size), numbers) * numbers.sign()
    profile = torch.tanh(hardness * form) / torch.tanh(hardness)
    image = light[:, None] + contrast[:, None] * profile[:, None] + tint
    return (image * 255).round_().clamp_(0, 255).to(torch.uint8)
