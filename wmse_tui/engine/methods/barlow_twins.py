"""Barlow Twins: correlate each dimension with itself and with no other (Zbontar et al., ICML 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from wmse_tui.config.methods import BarlowTwins as Options
from wmse_tui.engine.losses.barlow_twins import barlow_twins_terms
from wmse_tui.engine.methods.base import Draws, Losses, Method
from wmse_tui.engine.models import Backbone


class BarlowTwins(Method):
    """Encoder and projector under the Barlow Twins loss; the arguments are those of `barlow_twins_loss`.

    As in the authors' code the networks see one view at a time, BatchNorm statistics included.
    """

    def __init__(
        self, encoder: Backbone, projector: nn.Module, *, redundancy: float = 0.0051, scale: float = 1.0
    ) -> None:
        super().__init__(encoder, projector)
        self.redundancy = redundancy
        self.scale = scale

    def losses(self, views: Tensor, drawn: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_apart(views)
        disagreement, repetition = barlow_twins_terms(embeddings)
        total = self.scale * (disagreement + self.redundancy * repetition)
        parts = {"disagreement": disagreement.detach(), "repetition": repetition.detach()}
        return Losses(total, parts, embeddings.detach())


def build(options: Options, encoder: Backbone, projector: nn.Module) -> BarlowTwins:
    """Barlow Twins with the given networks."""
    return BarlowTwins(encoder, projector, redundancy=options.redundancy, scale=options.scale)
