"""The events of one kind in a run state, in order: immutable, and cheap to extend however many there are.

A history is stored like a `Series`: full chunks, which successive versions share, and a short tail. So an
event costs the same after a hundred thousand others as after ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, TypeVar, overload

CHUNK = 256  # items

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class History(Sequence[Item], Generic[Item]):
    """Items in order; equal to a tuple of the same items."""

    chunks: tuple[tuple[Item, ...], ...] = ()
    tail: tuple[Item, ...] = ()
    highest: Any = field(default=None)  # no key is above it (`superseding`); None: unknown

    @staticmethod
    def of(items: Iterable[Item]) -> History[Item]:
        """`items` themselves where they are a history, else a history of them."""
        if isinstance(items, History):
            return items
        every = tuple(items)
        whole = len(every) // CHUNK * CHUNK
        chunks = tuple(every[start : start + CHUNK] for start in range(0, whole, CHUNK))
        return History(chunks, every[whole:])

    def appended(self, item: Item, *, highest: Any = None) -> History[Item]:
        """With `item` as the last one, and `highest` for the next `superseding`."""
        tail = (*self.tail, item)
        if len(tail) < CHUNK:
            return History(self.chunks, tail, highest)
        return History((*self.chunks, tail), (), highest)

    def superseding(self, item: Item, key: Callable[[Item], Any]) -> History[Item]:
        """With `item` as the last one, and no other of its key.

        Keys that rise, as those of a log do, cost no search. `key` is the same function in every call.
        """
        new, highest, base = key(item), self.highest, self
        if highest is None and len(self):
            highest = max(map(key, self))
        if highest is not None and new <= highest:
            index = self.last_index(lambda other: bool(key(other) == new))
            base = self if index is None else self.without(index)
            new = highest
        return base.appended(item, highest=new)

    def without(self, index: int) -> History[Item]:
        """Without the item at `index` (0 or more); costs the more the further it is from the end."""
        number, position = divmod(index, CHUNK)
        later = tuple(chain(chain.from_iterable(self.chunks[number:]), self.tail))
        rest = History.of((*later[:position], *later[position + 1 :]))
        return History((*self.chunks[:number], *rest.chunks), rest.tail)

    def replaced(self, index: int, item: Item) -> History[Item]:
        """With `item` in place of the one at `index` (0 or more)."""
        number, position = divmod(index, CHUNK)
        if number == len(self.chunks):
            return History(self.chunks, (*self.tail[:position], item, *self.tail[position + 1 :]))
        chunk = self.chunks[number]
        changed = (*chunk[:position], item, *chunk[position + 1 :])
        return History((*self.chunks[:number], changed, *self.chunks[number + 1 :]), self.tail)

    def where(self, wanted: Callable[[Item], bool]) -> History[Item]:
        """The items that are `wanted`; this very history where all are."""
        items = tuple(filter(wanted, self))
        return self if len(items) == len(self) else History.of(items)

    def last_index(self, wanted: Callable[[Item], bool]) -> int | None:
        """The index of the last item that is `wanted`; None where none is."""
        for back, item in enumerate(reversed(self), 1):
            if wanted(item):
                return len(self) - back
        return None

    def __len__(self) -> int:
        return len(self.chunks) * CHUNK + len(self.tail)

    def __iter__(self) -> Iterator[Item]:
        return chain(chain.from_iterable(self.chunks), self.tail)

    def __reversed__(self) -> Iterator[Item]:
        return chain(reversed(self.tail), chain.from_iterable(map(reversed, reversed(self.chunks))))

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(index)
        chunk, position = divmod(number, CHUNK)
        return self.tail[position] if chunk == len(self.chunks) else self.chunks[chunk][position]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, History):
            return bool(self.chunks == other.chunks and self.tail == other.tail)
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
