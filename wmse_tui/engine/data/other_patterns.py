"""Patterns of other kinds than those of the embedded data set: what an encoder can be transferred to offline.

Drawn as those are (`patterns.py`), from splits of their own, so that no image shares a random number with one
that an encoder was trained on.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.data.patterns import TURN, Kind, PatternNumbers, Plane, draw_patterns

TRAIN_IMAGES, TEST_IMAGES = 2000, 1000
_TRAIN_SPLIT, _TEST_SPLIT = 2, 3  # 0 and 1 are those of the embedded data set
_LINE = 0.06  # half the width of a line, in periods


def _triangle(x: Tensor) -> Tensor:
    """The triangle wave of period 1, in [-1, 1]."""
    return 4 * ((x % 1) - 0.5).abs() - 1


def _zigzags(plane: Plane, numbers: PatternNumbers) -> Tensor:
    bend = numbers.between(0.1, 0.2) * _triangle(numbers.between(1.5, 3) * plane.v + numbers.between(0, 1))
    return torch.sin(TURN * (numbers.between(2.5, 5) * (plane.u + bend) + numbers.between(0, 1)))


def _bricks(plane: Plane, numbers: PatternNumbers) -> Tensor:
    rows = numbers.between(3, 6)
    across, along = rows * plane.v + numbers.between(0, 1), 0.5 * rows * plane.u + numbers.between(0, 1)
    along = along + 0.5 * (across.floor() % 2)
    edge = torch.minimum(0.5 - ((across % 1) - 0.5).abs(), 2 * (0.5 - ((along % 1) - 0.5).abs()))
    return ((edge - 2 * _LINE) / _LINE).clamp(-1, 1)


def _squares(plane: Plane, numbers: PatternNumbers) -> Tensor:
    ring = torch.maximum(plane.u.abs(), plane.v.abs())
    return torch.sin(TURN * (numbers.between(2.5, 5) * ring + numbers.between(0, 1)))


def _hexagons(plane: Plane, numbers: PatternNumbers) -> Tensor:
    waves = TURN * numbers.between(2, 4.5)
    total = torch.zeros_like(plane.u)
    for part in range(3):
        angle = part * TURN / 3
        total += torch.cos(waves * (math.cos(angle) * plane.u + math.sin(angle) * plane.v))
    return 0.8 * (total - 0.5)


def _petals(plane: Plane, numbers: PatternNumbers) -> Tensor:
    edge = numbers.between(0.2, 0.35) * (
        1 + numbers.between(0.35, 0.6) * torch.cos(numbers.whole(3, 7) * plane.angle)
    )
    return ((edge - plane.radius) / 0.05).clamp(-1, 1)


def _crosses(plane: Plane, numbers: PatternNumbers) -> Tensor:
    lattice = numbers.between(2.5, 4.5)
    u = ((lattice * plane.u + numbers.between(0, 1)) % 1 - 0.5).abs()
    v = ((lattice * plane.v + numbers.between(0, 1)) % 1 - 0.5).abs()
    arms = torch.maximum(torch.minimum(u, v) - 2 * _LINE, torch.maximum(u, v) - numbers.between(0.3, 0.42))
    return (-arms / _LINE).clamp(-1, 1)


def _moire(plane: Plane, numbers: PatternNumbers) -> Tensor:
    waves, apart = TURN * numbers.between(3, 5.5), numbers.between(0.25, 0.45)
    first, second = torch.hypot(plane.u - apart, plane.v), torch.hypot(plane.u + apart, plane.v)
    return 1.4 * torch.sin(waves * first) * torch.sin(waves * second)


def _saw(plane: Plane, numbers: PatternNumbers) -> Tensor:
    return 2 * ((numbers.between(2, 4.5) * plane.u + numbers.between(0, 1)) % 1) - 1


OTHER_KINDS: tuple[tuple[str, Kind], ...] = (
    ("zigzags", _zigzags),
    ("bricks", _bricks),
    ("squares", _squares),
    ("hexagons", _hexagons),
    ("petals", _petals),
    ("crosses", _crosses),
    ("moire", _moire),
    ("saw", _saw),
)


def other_patterns(size: int = 32) -> tuple[MemoryImages, MemoryImages]:
    """Images to train a probe on and to test it with, `size` x `size` px, classes in equal parts."""
    classes = tuple(name for name, _ in OTHER_KINDS)
    sets = []
    for split, seed, count in (("train", _TRAIN_SPLIT, TRAIN_IMAGES), ("test", _TEST_SPLIT, TEST_IMAGES)):
        pixels, labels = draw_patterns(count, split_seed=seed, size=size, kinds=OTHER_KINDS)
        sets.append(MemoryImages(name="patterns", split=split, pixels=pixels, labels=labels, classes=classes))
    return sets[0], sets[1]
