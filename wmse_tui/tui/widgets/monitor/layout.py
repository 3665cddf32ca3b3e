"""Which panels of Monitor are seen: all that there is room for, and the active one in any case."""

from __future__ import annotations

from typing import Literal, TypeAlias

Layout: TypeAlias = Literal["tabs", "grid", "full"]
LAYOUTS: tuple[Layout, ...] = ("tabs", "grid", "full")

SIDE = frozenset({"whitening", "usage"})
UPPER = SIDE | {"plots"}
_STANDING: dict[Layout, frozenset[str]] = {"tabs": frozenset(), "grid": UPPER, "full": UPPER | {"map"}}


def layout_of(width: int, height: int) -> Layout:
    """How the panels stand on a screen of so many cells: one at a time, a few, or nearly all."""
    if width < 100 or height < 30:
        return "tabs"
    return "full" if width >= 160 and height >= 45 else "grid"


def takes_turns(layout: Layout, pane: str) -> bool:
    """Whether a panel shares its place with others, where there are panels that do not."""
    return layout == "tabs" or pane not in _STANDING[layout]


def seen(layout: Layout, active: str, large: bool, turn: str) -> frozenset[str]:
    """The panels in sight.

    Args:
        layout: how they stand.
        active: the one with the keys.
        large: it has all the room.
        turn: of those that take turns, the one whose turn it is.
    """
    if large or layout == "tabs":
        return frozenset({active})
    return _STANDING[layout] | {turn}
