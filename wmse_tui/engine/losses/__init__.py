"""Losses: pure functions of embeddings (views, batch, dim), one per file, each named after its method."""

from wmse_tui.engine.losses.byol import byol_loss
from wmse_tui.engine.losses.cw_rgp import cw_rgp_loss
from wmse_tui.engine.losses.intl import intl_loss
from wmse_tui.engine.losses.shuffled_dbn import shuffled_dbn_loss
from wmse_tui.engine.losses.simclr import contrastive_loss
from wmse_tui.engine.losses.w_mse import w_mse_loss
from wmse_tui.engine.losses.zero_cl import zero_cl_loss

__all__ = [
    "byol_loss",
    "contrastive_loss",
    "cw_rgp_loss",
    "intl_loss",
    "shuffled_dbn_loss",
    "w_mse_loss",
    "zero_cl_loss",
]
