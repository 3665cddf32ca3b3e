"""Whitening: one family of operators, which every loss and layer that whitens calls."""

from wmse_tui.engine.whitening.diagnosis import diagnose
from wmse_tui.engine.whitening.matrices import apply_matrix, inverse_root, whitening_matrix
from wmse_tui.engine.whitening.operator import Operator, whiten
from wmse_tui.engine.whitening.slices import Layout, random_partition, sliced

__all__ = [
    "Layout",
    "Operator",
    "apply_matrix",
    "diagnose",
    "inverse_root",
    "random_partition",
    "sliced",
    "whiten",
    "whitening_matrix",
]
