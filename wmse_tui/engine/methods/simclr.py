"""SimCLR: tell the other view of an image from other images (Chen et al., 2020), as in the W-MSE paper."""

from __future__ import annotations

from torch import Tensor, nn

from wmse_tui.config.methods import SimClr as Options
from wmse_tui.engine.losses import contrastive_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, embedding_dim
from wmse_tui.engine.models import Backbone


class SimClr(Method):
    """Encoder and projector under the contrastive loss."""

    def __init__(self, encoder: Backbone, projector: nn.Module, *, temperature: float) -> None:
        super().__init__(encoder, projector)
        self.temperature = temperature

    def losses(self, views: Tensor, drawn: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed(views)
        total = contrastive_loss(embeddings, temperature=self.temperature)
        return Losses(total, {}, embeddings.detach())


def build(options: Options, encoder: Backbone, projector: nn.Sequential) -> SimClr:
    """SimCLR with the given networks, and the BatchNorm that the W-MSE paper's baseline has last."""
    if options.output_batch_norm:
        projector.append(nn.BatchNorm1d(embedding_dim(projector)))
    return SimClr(encoder, projector, temperature=options.temperature)
