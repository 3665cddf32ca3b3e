"""A part of a screen that scrolls with the keys of vi too."""

from __future__ import annotations

from textual.containers import VerticalScroll

from wmse_tui.tui import keys


class KeyScroll(VerticalScroll):
    """Scrolls by j, k, g and G, arrows and pages."""

    BINDINGS = keys.SCROLL
