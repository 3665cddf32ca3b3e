"""Batches of an evaluation that the ranks of a training compute in turn.

Rank r computes the batches r, r + world, ... Each is the very batch that one process would compute, so its
results have the same bits, and rank 0 has them in their order. They are few bytes beside the work: a feature
for an image. Nearest neighbours and probes are fitted on rank 0.

All ranks begin each batch together, and the others only if rank 0 announces it: where it is interrupted
between two batches, they wait for what it announces next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from wmse_tui.engine.data.sources.damaged import DamagedImages
from wmse_tui.engine.distribution.ranks import Ranks

from .interruption import EvaluationInterrupted, ShouldStop, check


def own_task(numbers: range, ranks: Ranks) -> str:
    """What this rank does in a round with these batches, for people."""
    return f"batch {numbers[ranks.rank] + 1} of an evaluation"


def rounds(count: int, ranks: Ranks, should_stop: ShouldStop) -> Iterator[range]:
    """The numbers of the batches of each round, which the first ranks compute: one each.

    Raises:
        EvaluationInterrupted: `should_stop` returned true; on another rank: on rank 0.
    """
    for first in range(0, count, ranks.world):
        check(should_stop)
        if not ranks.begins_round():
            raise EvaluationInterrupted
        yield range(first, min(first + ranks.world, count))


def dealt_results(
    batches: Iterator[Tensor],
    compute: Callable[[Tensor], Tensor],
    sizes: Sequence[int],
    ranks: Ranks,
    should_stop: ShouldStop,
) -> Iterator[Tensor]:
    """What `compute` returns for all batches, in order, on rank 0; nothing on the others.

    Args:
        batches: those of this rank.
        compute: returns a row for each image of a batch.
        sizes: the images of each batch, of all ranks.

    Raises:
        EvaluationInterrupted: as of `rounds`.
    """
    for numbers in rounds(len(sizes), ranks, should_stop):
        own: Tensor | None = None
        if ranks.rank < len(numbers):
            with ranks.working(own_task(numbers, ranks)):
                own = compute(next(batches))
        yield from ranks.joined(own, [sizes[number] for number in numbers])


def count_damaged(sets: Sequence[DamagedImages], ranks: Ranks) -> None:
    """Let rank 0 count the images that the other ranks have passed over; all of them call this.

    Raises:
        DataError: there are more than may be passed over.
        EvaluationInterrupted: on another rank: rank 0 does not continue.
    """
    if ranks.world == 1 or not sets:
        return
    if not ranks.begins_round():
        raise EvaluationInterrupted
    found = ranks.gathered([images.files for images in sets])
    if ranks.rank == 0:
        for files_of_rank in found[1:]:
            for images, files in zip(sets, files_of_rank, strict=True):
                images.merge(files)
