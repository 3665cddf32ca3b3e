"""Which panels are seen at which size."""

from __future__ import annotations

import pytest

from wmse_tui.tui.widgets.monitor.charts import grid_of
from wmse_tui.tui.widgets.monitor.layout import LAYOUTS, layout_of, seen, takes_turns
from wmse_tui.tui.widgets.monitor.strip import NAMES


@pytest.mark.parametrize(
    ("width", "height", "layout"),
    [
        (60, 18, "tabs"),
        (80, 24, "tabs"),
        (99, 40, "tabs"),
        (120, 29, "tabs"),
        (100, 30, "grid"),
        (120, 40, "grid"),
        (200, 44, "grid"),
        (159, 60, "grid"),
        (160, 45, "full"),
        (200, 60, "full"),
    ],
)
def test_the_more_room_the_more_panels(width: int, height: int, layout: str) -> None:
    assert layout_of(width, height) == layout


def test_at_120_by_40_plots_whitening_and_usage_are_seen_at_once_with_one_more() -> None:
    assert seen("grid", "plots", False, "log") == {"plots", "whitening", "usage", "log"}


def test_at_200_by_60_the_map_is_seen_too() -> None:
    assert seen("full", "plots", False, "output") == {"plots", "whitening", "usage", "map", "output"}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pane", NAMES)
def test_the_active_panel_is_always_seen(layout: str, pane: str) -> None:
    turn = pane if takes_turns(layout, pane) else "log"  # type: ignore[arg-type]
    assert pane in seen(layout, pane, False, turn)  # type: ignore[arg-type]
    assert seen(layout, pane, True, turn) == {pane}  # type: ignore[arg-type]


def test_every_panel_has_a_first_letter_of_its_own() -> None:
    assert len({name[0] for name in NAMES.values()}) == len(NAMES)


@pytest.mark.parametrize(
    ("width", "height", "grid"),
    [
        (30, 8, (1, 1)),
        (78, 15, (2, 1)),
        (60, 40, (1, 2)),
        (74, 22, (1, 2)),
        (130, 32, (2, 2)),
        (200, 15, (2, 1)),
    ],
)
def test_as_many_plots_as_can_be_read(width: int, height: int, grid: tuple[int, int]) -> None:
    assert grid_of(width, height) == grid
