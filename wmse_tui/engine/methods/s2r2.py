"""Ranking in the style of S2R2: every view retrieves the other views of its image from the batch."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.engine.losses import ranking_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method


class S2r2(Method[config.S2r2]):
    """Encoder and projector under the ranking loss."""

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed(views)
        options = self.loss_options(without="rank_temperature")
        total = ranking_loss(embeddings, temperature=self.options.rank_temperature, **options)
        return Losses(total, {}, embeddings.detach())
