"""The methods that can be trained: one class of options per file, and their union by `name`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wmse_tui.config.methods.barlow_twins import BarlowTwins
from wmse_tui.config.methods.byol import Byol
from wmse_tui.config.methods.cw_rgp import CwRgp
from wmse_tui.config.methods.intl import Intl
from wmse_tui.config.methods.s2r2 import S2r2
from wmse_tui.config.methods.shuffled_dbn import ShuffledDbn
from wmse_tui.config.methods.simclr import SimClr
from wmse_tui.config.methods.simsiam import SimSiam
from wmse_tui.config.methods.vibcreg import VibcReg
from wmse_tui.config.methods.vicreg import VicReg
from wmse_tui.config.methods.w_mse import WMse
from wmse_tui.config.methods.zero_cl import ZeroCl

Method = Annotated[
    WMse
    | SimClr
    | Byol
    | CwRgp
    | Intl
    | ShuffledDbn
    | ZeroCl
    | BarlowTwins
    | VicReg
    | VibcReg
    | SimSiam
    | S2r2,
    Field(discriminator="name"),
]

__all__ = [
    "BarlowTwins",
    "Byol",
    "CwRgp",
    "Intl",
    "Method",
    "S2r2",
    "ShuffledDbn",
    "SimClr",
    "SimSiam",
    "VibcReg",
    "VicReg",
    "WMse",
    "ZeroCl",
]
