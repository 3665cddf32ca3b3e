"""The history against a plain list: whatever is appended, replaced and removed, its items agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.state.history import CHUNK, History

SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7)


def _first(item: tuple[int, int]) -> int:
    return item[0]


def history(size: int) -> History[int]:
    return History.of(range(size))


@pytest.mark.parametrize("size", SIZES)
def test_a_history_is_a_sequence_equal_to_a_tuple(size: int) -> None:
    made, plain = history(size), tuple(range(size))
    assert made == plain
    assert plain == made
    assert made == History.of(made) == History.of(list(plain))
    assert (len(made), tuple(made), tuple(reversed(made))) == (size, plain, plain[::-1])
    assert [made[index] for index in range(-size, size)] == [plain[index] for index in range(-size, size)]
    for cut in (slice(-3, None), slice(None, 2), slice(None, None, -2), slice(1, 400, 7)):
        assert made[cut] == plain[cut]
    for index in (size, -size - 1):
        with pytest.raises(IndexError):
            made[index]
    assert made != (*plain, size)
    assert made != list(plain)
    assert (hash(made), repr(made), bool(made)) == (hash(plain), repr(plain), bool(plain))


@given(st.lists(st.integers(0, 9), max_size=40))
def test_one_that_supersedes_another_of_its_key_comes_last(keys: list[int]) -> None:
    made: History[tuple[int, int]] = History()
    plain: list[tuple[int, int]] = []
    for number, key in enumerate(keys):
        made = made.superseding((key, number), key=_first)
        plain = [item for item in plain if item[0] != key] + [(key, number)]
    assert made == tuple(plain)


@given(size=st.sampled_from(SIZES[1:]), data=st.data())
def test_items_are_removed_and_replaced_anywhere(size: int, data: Any) -> None:
    index = data.draw(st.integers(0, size - 1))
    made, plain = history(size), list(range(size))
    assert made.replaced(index, -1) == (*plain[:index], -1, *plain[index + 1 :])
    assert made.without(index) == (*plain[:index], *plain[index + 1 :])
    assert made.without(index).appended(-1) == (*plain[:index], *plain[index + 1 :], -1)
    assert made.last_index(lambda item: item <= index) == index
    assert made.last_index(lambda item: item > size) is None
    assert made.where(lambda item: item < index) == tuple(range(index))
    assert made.where(lambda item: item >= 0) is made
    assert made == tuple(plain), "each change leaves the history before it as it was"


def test_an_appended_item_shares_all_full_chunks() -> None:
    before = history(5 * CHUNK - 1)
    after = before.appended(0).appended(1)
    assert len(before) == 5 * CHUNK - 1
    assert len(after.tail) == 1
    assert all(mine is theirs for mine, theirs in zip(before.chunks, after.chunks, strict=False))
