"""Losses: pure functions of embeddings (views, batch, dim), one per file, each named after its method."""

from wmse_tui.engine.losses.barlow_twins import barlow_twins_loss
from wmse_tui.engine.losses.byol import byol_loss
from wmse_tui.engine.losses.cw_rgp import cw_rgp_loss
from wmse_tui.engine.losses.intl import intl_loss
from wmse_tui.engine.losses.s2r2 import ranking_loss
from wmse_tui.engine.losses.shuffled_dbn import shuffled_dbn_loss
from wmse_tui.engine.losses.simclr import contrastive_loss
from wmse_tui.engine.losses.simsiam import simsiam_loss
from wmse_tui.engine.losses.vibcreg import vibcreg_loss
from wmse_tui.engine.losses.vicreg import vicreg_loss
from wmse_tui.engine.losses.w_mse import w_mse_loss
from wmse_tui.engine.losses.zero_cl import zero_cl_loss

__all__ = [
    "barlow_twins_loss",
    "byol_loss",
    "contrastive_loss",
    "cw_rgp_loss",
    "intl_loss",
    "ranking_loss",
    "shuffled_dbn_loss",
    "simsiam_loss",
    "vibcreg_loss",
    "vicreg_loss",
    "w_mse_loss",
    "zero_cl_loss",
]
