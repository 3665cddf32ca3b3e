"""An error of a forked rank ends a test at once, with its traceback, while the other ranks wait for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from forked_ranks import ForkedRanks

from wmse_tui.engine.distribution.ranks import Group


@pytest.fixture
def three() -> Iterator[ForkedRanks]:
    with closing(ForkedRanks(3)) as forked:
        yield forked


def fail(group: Group, rank: int = 1) -> None:
    if group.rank == rank:
        raise ValueError(f"an error of rank {rank}")
    group.gathered(group.rank)


def fail_by_pytest(group: Group) -> None:
    group.gathered(group.rank)
    if group.rank == 2:
        pytest.fail("a failure of rank 2")


def die(group: Group) -> None:
    if group.rank == 2:
        os._exit(1)
    group.gathered(group.rank)


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        (fail, r"(?s)rank 1: Traceback.*ValueError: an error of rank 1"),
        (fail_by_pytest, r"(?s)rank 2: Traceback.*a failure of rank 2"),
        (die, "rank 2: it has ended without a traceback"),
    ],
    ids=["an error", "a failure of pytest", "no message"],
)
def test_the_error_of_another_rank_is_raised(
    three: ForkedRanks, task: Callable[[Group], None], shown: str
) -> None:
    with three.group(3), pytest.raises(AssertionError, match=shown):
        three.run(task)
    with pytest.raises(AssertionError, match="an earlier error has ended the ranks"), three.group(2):
        pass


def test_an_error_of_rank_0_is_raised_as_it_is(three: ForkedRanks) -> None:
    with three.group(3), pytest.raises(ValueError, match="an error of rank 0"):
        three.run(fail, 0)
