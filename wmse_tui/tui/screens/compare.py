"""The Compare screen."""

from __future__ import annotations

from wmse_tui.tui.screens.base import AppScreen


class CompareScreen(AppScreen):
    """To be built."""
