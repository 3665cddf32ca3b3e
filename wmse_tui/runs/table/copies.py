"""Copies of a run, which are no repetitions: a mean over them would show a deviation that was not measured.

A copied run directory has the log of the original, whatever its name and its configuration claim; a copy that
was trained further begins with it. So runs are distinguished by how their logs begin (`origin_of` in
`runs/state/highlights.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def without_copies(items: Sequence[Item], origin: Callable[[Item], str]) -> tuple[Item, ...]:
    """The first item of each origin, in their order; those of no known origin all."""
    seen: set[str] = set()
    found = []
    for item in items:
        name = origin(item)
        if not name or name not in seen:
            found.append(item)
        seen.add(name)
    return tuple(found)
