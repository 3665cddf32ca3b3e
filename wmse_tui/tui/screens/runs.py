"""The Runs screen."""

from __future__ import annotations

from wmse_tui.tui.screens.base import AppScreen


class RunsScreen(AppScreen):
    """To be built."""
