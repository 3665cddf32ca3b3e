"""SimCLR: distinguish the other view of an image from other images (Chen et al., 2020)."""

from __future__ import annotations

from torch import Tensor, nn

from wmse_tui.config import methods as config
from wmse_tui.engine.losses import contrastive_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method
from wmse_tui.engine.models import Encoder


class SimClr(Method[config.SimClr]):
    """Encoder and projector under the contrastive loss.

    `output_batch_norm` puts a BatchNorm behind the projector, as the W-MSE paper's baseline does.
    """

    def __init__(self, encoder: Encoder, projector: nn.Sequential, options: config.SimClr) -> None:
        super().__init__(encoder, projector, options)
        if options.output_batch_norm:
            projector.append(nn.BatchNorm1d(self.embedding_dim))

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed(views)
        total = contrastive_loss(embeddings, temperature=self.options.temperature)
        return Losses(total, {}, embeddings.detach())
