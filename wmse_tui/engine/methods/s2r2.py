"""Ranking in the style of S2R2: every view asks the batch for the other views of its image."""

from __future__ import annotations

from torch import Tensor, nn

from wmse_tui.config.methods import S2r2 as Options
from wmse_tui.engine.losses import ranking_loss
from wmse_tui.engine.losses.s2r2 import Relaxation
from wmse_tui.engine.methods.base import Draws, Losses, Method
from wmse_tui.engine.models import Backbone


class S2r2(Method):
    """Encoder and projector under the ranking loss; the arguments are those of `ranking_loss`."""

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        *,
        relaxation: Relaxation = "quantised",
        bins: int = 25,
        temperature: float = 0.01,
    ) -> None:
        super().__init__(encoder, projector)
        self.relaxation: Relaxation = relaxation
        self.bins = bins
        self.temperature = temperature

    def losses(self, views: Tensor, drawn: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed(views)
        total = ranking_loss(
            embeddings, relaxation=self.relaxation, bins=self.bins, temperature=self.temperature
        )
        return Losses(total, {}, embeddings.detach())


def build(options: Options, encoder: Backbone, projector: nn.Module) -> S2r2:
    """The ranking loss with the given networks."""
    return S2r2(
        encoder,
        projector,
        relaxation=options.relaxation,
        bins=options.bins,
        temperature=options.rank_temperature,
    )
