"""Counted randomness: every random number is a hash of what it is for, so nothing has to be stored.

The hash is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011).
It turns a counter of four 32-bit words and a key of two into four random words. Here the key is (seed,
`Stream`) and the counter names the use: image, epoch, view and block of four numbers. There is no state: a
run stopped anywhere, resumed with any number of workers and on any device, draws the same numbers. The
arithmetic is int64 (products wrap around, words are masked), so the bits are the same everywhere.
"""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor

WORD = 0xFFFFFFFF
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)


class Stream(IntEnum):
    """The purposes that never share a random number; the second word of the key."""

    AUGMENTATION = 1
    EPOCH_ORDER = 2
    PERMUTATION = 3
    PATTERNS = 4
    SUBSET = 5
    PARTITION = 6


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Philox4x32-10 of many counters under one key.

    Args:
        counter: four int64 tensors of words in [0, 2**32), of shapes that broadcast.
        key: two words.

    Returns:
        Four int64 tensors of random words in [0, 2**32).
    """
    c0, c1, c2, c3 = counter  # they broadcast in the first round
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]  # 64-bit products; a set top bit is only a bit
        c0, c2 = ((p1 >> 32) ^ (c1 ^ k0)) & WORD, ((p0 >> 32) ^ (c3 ^ k1)) & WORD
        c1, c3 = p1, p0  # their upper halves are masked where they are used
        k0, k1 = (k0 + KEY_STEPS[0]) & WORD, (k1 + KEY_STEPS[1]) & WORD
    return c0, c1 & WORD, c2, c3 & WORD


def uniforms(
    *,
    seed: int,
    epoch: int | Tensor,
    indices: Tensor,
    view: int | Tensor,
    slots: int,
    stream: Stream = Stream.AUGMENTATION,
) -> Tensor:
    """Uniform numbers for images: row i belongs to image `indices[i]` alone, whatever else is in the batch.

    Args:
        seed: of the run, in [0, 2**32).
        epoch: in [0, 2**32); a number, or int64 () on the device of the indices.
        indices: int64 (images,), numbers in [0, 2**32); the result is on their device.
        view: one number for all images, or int64 (images,).
        slots: how many numbers each image gets. More slots never change the earlier ones.
        stream: what the numbers are for.

    Returns:
        float32 (images, slots) in [0, 1), multiples of 2**-24.
    """
    blocks = -(-slots // 4)
    block = torch.arange(blocks, device=indices.device)
    views = view if isinstance(view, Tensor) else torch.tensor(view, device=indices.device)
    if not isinstance(epoch, Tensor):
        epoch = torch.tensor(_word(epoch, "epoch"), device=indices.device)
    words = philox(
        (indices[:, None], epoch, views.to(indices.device).reshape(-1, 1), block),
        (_word(seed, "seed"), stream),
    )
    flat = torch.stack(words, dim=-1).flatten(1)[:, :slots]
    return (flat >> 8).to(torch.float32) * 2.0**-24


def permutation(n: int, *, seed: int, step: int, purpose: int = 0) -> Tensor:
    """A random order of `n` things for one optimiser step, int64 (n,), on the CPU.

    Args:
        n: how many things.
        seed: of the run, in [0, 2**32).
        step: in [0, 2**64).
        purpose: a number in [0, 2**32) that distinguishes several permutations of one step.
    """
    low, high = step & WORD, _word(step >> 32, "step")
    return _sorted_keys(n, (low, high, _word(purpose, "purpose")), (_word(seed, "seed"), Stream.PERMUTATION))


def permutations(count: int, n: int, *, seed: int, step: int) -> Tensor:
    """`count` orders for one step, int64 (count, n): those of `permutation` for the purposes from 0 up."""
    return torch.stack([permutation(n, seed=seed, step=step, purpose=index) for index in range(count)])


def partitions(count: int, n: int, *, seed: int, step: int) -> Tensor:
    """Independent random orders of `n` channels for one optimiser step, int64 (count, n), on the CPU.

    Args:
        count: how many orders. More orders never change the earlier ones.
        n: how many channels.
        seed: of the run, in [0, 2**32).
        step: in [0, 2**64).
    """
    which = torch.arange(count)[:, None]
    counter = (step & WORD, _word(step >> 32, "step"), which)
    return _sorted_keys(n, counter, (_word(seed, "seed"), Stream.PARTITION))


def epoch_order(n: int, *, seed: int, epoch: int) -> Tensor:
    """The order in which an epoch meets its `n` images, int64 (n,), on the CPU."""
    return _sorted_keys(n, (_word(epoch, "epoch"), 0, 0), (_word(seed, "seed"), Stream.EPOCH_ORDER))


def subset_order(n: int, *, seed: int = 0) -> Tensor:
    """A random order of `n` images whose first few are a subset, int64 (n,), on the CPU."""
    return _sorted_keys(n, (0, 0, 0), (_word(seed, "seed"), Stream.SUBSET))


def _sorted_keys(n: int, counter: tuple[int, int, int | Tensor], key: tuple[int, int]) -> Tensor:
    """0..n-1 sorted by random 62-bit keys. Equal keys (chance n²/2**63) keep their order."""
    others = (torch.as_tensor(word) for word in counter)
    first, second, *_ = philox((torch.arange(n), *others), key)  # type: ignore[arg-type]
    return torch.argsort((first << 30) | (second >> 2), stable=True)


def _word(value: int, name: str) -> int:
    if not 0 <= value <= WORD:
        raise ValueError(f"{name} is {value}; it must be in [0, 2**32)")
    return value
