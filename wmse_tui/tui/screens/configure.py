"""The Configure screen."""

from __future__ import annotations

from wmse_tui.tui.screens.base import AppScreen


class ConfigureScreen(AppScreen):
    """To be built."""
