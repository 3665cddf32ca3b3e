"""Whitening: one operator, which every loss and layer that whitens calls."""

from wmse_tui.engine.whitening.diagnosis import diagnose
from wmse_tui.engine.whitening.operator import whiten
from wmse_tui.engine.whitening.slicing import sliced

__all__ = ["diagnose", "sliced", "whiten"]
