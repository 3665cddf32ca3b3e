"""The counted sampler: the published answers, the laws, and independence of everything but its names."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.random import (
    WORD,
    Stream,
    epoch_order,
    partitions,
    permutation,
    philox,
    subset_order,
    uniforms,
)

# Random123's known-answer vectors for philox4x32 with ten rounds: counter, key, answer.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((WORD, WORD, WORD, WORD), (WORD, WORD), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

GOLDEN = [
    [13156508, 2704585, 4193998, 11373037, 9154626],
    [7402269, 15618836, 15668874, 12121348, 9890317],
]


def draw(
    indices: Tensor | None = None, *, seed: int = 3, epoch: int = 5, view: int | Tensor = 1, slots: int = 33
) -> Tensor:
    chosen = torch.arange(50) if indices is None else indices
    return uniforms(seed=seed, epoch=epoch, indices=chosen, view=view, slots=slots)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], answer: tuple[int, int, int, int]
) -> None:
    c0, c1, c2, c3 = (torch.full((100,), word) for word in counter)  # long enough for the vectorised kernels
    words = philox((c0, c1, c2, c3), key)
    assert torch.stack(words).tolist() == [[word] * 100 for word in answer]


def test_philox_agrees_with_exact_integers() -> None:
    def slow(c: list[int], k: list[int]) -> list[int]:
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & WORD, (p0 >> 32) ^ c[3] ^ k[1], p0 & WORD]
            k = [(k[0] + 0x9E3779B9) & WORD, (k[1] + 0xBB67AE85) & WORD]
        return c

    index = torch.arange(64) * 67108863
    words = torch.stack(
        philox((index, torch.tensor(7), torch.tensor(2), torch.tensor(9)), (123456789, 4)), dim=1
    )
    assert words.tolist() == [slow([i, 7, 2, 9], [123456789, 4]) for i in index.tolist()]


def test_golden_uniforms_never_change() -> None:
    """A change of these numbers changes every run; it needs a new version of the checkpoint."""
    golden = draw(torch.tensor([0, 49999]), slots=5)
    assert (golden * 2**24).to(torch.int64).tolist() == GOLDEN


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    u = draw(torch.arange(20_000), slots=10)
    assert u.dtype == torch.float32
    assert u.min() >= 0
    assert u.max() < 1
    counts = torch.histc(u, bins=20, min=0, max=1)
    assert (counts - 10_000).abs().max() < 5 * 10_000**0.5
    correlation = torch.corrcoef(u.T) - torch.eye(10)
    assert correlation.abs().max() < 5 / 20_000**0.5


def test_a_row_depends_on_its_own_image_only() -> None:
    everything = draw(torch.arange(50))
    some = torch.tensor([41, 3, 3, 17])
    assert torch.equal(draw(some), everything[some])


def test_more_slots_keep_the_earlier_ones() -> None:
    assert torch.equal(draw(slots=50)[:, :7], draw(slots=7))


def test_views_may_differ_by_row() -> None:
    views = torch.arange(50) % 3
    mixed = draw(view=views)
    for view in range(3):
        assert torch.equal(mixed[views == view], draw(view=view)[views == view])


@pytest.mark.parametrize("change", [{"seed": 4}, {"epoch": 6}, {"view": 2}])
def test_seed_epoch_and_view_each_change_every_row(change: dict[str, int]) -> None:
    assert ((draw() - draw(**change)).abs().amax(1) > 0.1).all()  # type: ignore[arg-type]


def test_streams_do_not_share_numbers() -> None:
    arguments = {"seed": 1, "epoch": 0, "indices": torch.arange(30), "view": 0, "slots": 8}
    drawn = [uniforms(stream=stream, **arguments) for stream in Stream]  # type: ignore[arg-type]
    for i, first in enumerate(drawn):
        for second in drawn[i + 1 :]:
            assert (first != second).float().mean() > 0.99


def test_orders_are_permutations_that_differ() -> None:
    orders = [
        permutation(1000, seed=1, step=0),
        permutation(1000, seed=1, step=1),
        permutation(1000, seed=1, step=1 << 32),
        permutation(1000, seed=1, step=0, purpose=1),
        permutation(1000, seed=2, step=0),
        epoch_order(1000, seed=1, epoch=0),
        epoch_order(1000, seed=1, epoch=1),
        subset_order(1000),
    ]
    for order in orders:
        assert torch.equal(order.sort().values, torch.arange(1000))
    assert len({tuple(order.tolist()) for order in orders}) == len(orders)


def test_partitions_are_counted_by_seed_step_and_place() -> None:
    drawn = partitions(6, 50, seed=1, step=7)
    assert torch.equal(drawn.sort(-1).values, torch.arange(50).expand(6, 50))
    assert torch.equal(partitions(2, 50, seed=1, step=7), drawn[:2])
    others = [partitions(6, 50, seed=2, step=7), partitions(6, 50, seed=1, step=7 + (1 << 32))]
    rows = torch.cat([drawn, *others, permutation(50, seed=1, step=7)[None]])
    assert len({tuple(row.tolist()) for row in rows}) == 19


def test_every_order_of_three_is_equally_likely() -> None:
    seen = torch.zeros(3, 3, 3)
    for step in range(3000):
        seen[tuple(permutation(3, seed=9, step=step))] += 1
    counts = seen[seen > 0]
    assert len(counts) == 6
    assert (counts - 500).abs().max() < 100


def test_an_empty_order_is_empty() -> None:
    assert permutation(0, seed=0, step=0).tolist() == []


@pytest.mark.parametrize(("arguments", "name"), [({"seed": -1}, "seed"), ({"epoch": 1 << 32}, "epoch")])
def test_words_out_of_range_are_refused(arguments: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is -?\d+; it must be in \[0, 2\*\*32\)"):
        draw(**arguments)  # type: ignore[arg-type]
