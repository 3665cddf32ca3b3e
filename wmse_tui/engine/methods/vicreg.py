"""VICReg: pull views together, variances up and covariances down (Bardes et al., ICLR 2022)."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.engine.losses.vicreg import vicreg_terms
from wmse_tui.engine.methods.base import Draws, Losses, Method


class VicReg(Method[config.VicReg]):
    """Encoder and projector under the VICReg loss.

    As in the authors' code the networks see one view at a time, BatchNorm statistics included.
    """

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_per_view(views)
        names = ("invariance", "variance", "covariance")
        return self.weighted(dict(zip(names, vicreg_terms(embeddings), strict=True)), embeddings)
