"""The Monitor screen."""

from __future__ import annotations

from wmse_tui.tui.screens.base import AppScreen


class MonitorScreen(AppScreen):
    """To be built."""
