"""The panels in sight at each size."""

from __future__ import annotations

import pytest

from wmse_tui.tui.widgets.monitor.charts import grid_of
from wmse_tui.tui.widgets.monitor.panels import (
    LAYOUTS,
    PANEL_NAMES,
    Layout,
    layout_of,
    shares_space,
    visible_panels,
)


@pytest.mark.parametrize(
    ("width", "height", "layout"),
    [
        (60, 18, "tabs"),
        (80, 24, "tabs"),
        (99, 40, "tabs"),
        (120, 29, "tabs"),
        (100, 30, "tabs"),
        (119, 35, "tabs"),
        (100, 36, "grid"),
        (120, 30, "grid"),
        (120, 40, "grid"),
        (200, 44, "grid"),
        (159, 60, "grid"),
        (160, 45, "full"),
        (200, 60, "full"),
    ],
)
def test_the_larger_the_screen_the_more_panels(width: int, height: int, layout: str) -> None:
    assert layout_of(width, height) == layout


def test_at_120_by_40_plots_whitening_and_usage_are_in_sight_with_one_more() -> None:
    assert visible_panels("grid", "plots", False, "log") == {"plots", "whitening", "usage", "log"}


def test_at_200_by_60_the_map_is_in_sight_too() -> None:
    assert visible_panels("full", "plots", False, "output") == {
        "plots",
        "whitening",
        "usage",
        "map",
        "output",
    }


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("panel", PANEL_NAMES)
def test_the_active_panel_is_always_visible_panels(layout: Layout, panel: str) -> None:
    shared = panel if shares_space(layout, panel) else "log"
    assert panel in visible_panels(layout, panel, False, shared)
    assert visible_panels(layout, panel, True, shared) == {panel}


def test_the_first_letters_of_panels_differ() -> None:
    assert len({name[0] for name in PANEL_NAMES.values()}) == len(PANEL_NAMES)


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
