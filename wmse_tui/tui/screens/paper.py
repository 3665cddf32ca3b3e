"""The Paper screen."""

from __future__ import annotations

from wmse_tui.tui.screens.base import AppScreen


class PaperScreen(AppScreen):
    """To be built."""
