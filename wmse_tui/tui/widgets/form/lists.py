"""A list to pick from that also knows the keys of vi."""

from __future__ import annotations

from textual.widgets import OptionList

from wmse_tui.tui import keys


class KeyList(OptionList):
    """An option list with j, k, g and G."""

    BINDINGS = keys.LIST
