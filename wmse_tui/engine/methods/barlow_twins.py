"""Barlow Twins: correlate each dimension with itself and with no other (Zbontar et al., ICML 2021)."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.engine.losses.barlow_twins import barlow_twins_terms
from wmse_tui.engine.methods.base import Draws, Losses, Method


class BarlowTwins(Method[config.BarlowTwins]):
    """Encoder and projector under the Barlow Twins loss.

    As in the authors' code the networks see one view at a time, BatchNorm statistics included.
    """

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_per_view(views)
        disagreement, repetition = barlow_twins_terms(embeddings)
        total = self.options.scale * (disagreement + self.options.redundancy * repetition)
        parts = {"disagreement": disagreement.detach(), "repetition": repetition.detach()}
        return Losses(total, parts, embeddings.detach())
