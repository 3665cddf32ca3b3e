"""A list and a scrolling part that also know the keys of vi."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.widgets import OptionList

from wmse_tui.tui import keys


class KeyList(OptionList):
    """An option list with j, k, g and G."""

    BINDINGS = keys.LIST


class KeyScroll(VerticalScroll):
    """Scrolls by j, k, g and G, arrows and pages."""

    BINDINGS = keys.SCROLL
