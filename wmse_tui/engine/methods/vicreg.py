"""VICReg: draw views together, keep variances up and covariances down (Bardes et al., ICLR 2022)."""

from __future__ import annotations

from torch import Tensor, nn

from wmse_tui.config.methods import VicReg as Options
from wmse_tui.engine.losses.vicreg import vicreg_terms
from wmse_tui.engine.methods.base import Draws, Losses, Method
from wmse_tui.engine.models import Backbone


class VicReg(Method):
    """Encoder and projector under the VICReg loss; the arguments are those of `vicreg_loss`.

    As in the authors' code the networks see one view at a time, BatchNorm statistics included.
    """

    THIRD = "covariance"  # the name of the third term in the log

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        *,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
    ) -> None:
        super().__init__(encoder, projector)
        self.invariance = invariance
        self.variance = variance
        self.covariance = covariance

    def losses(self, views: Tensor, drawn: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_apart(views)
        distance, lack, shared = self.terms(embeddings)
        total = self.invariance * distance + self.variance * lack + self.covariance * shared
        parts = {
            "invariance": distance.detach(),
            "variance": lack.detach(),
            self.THIRD: shared.detach(),
        }
        return Losses(total, parts, embeddings.detach())

    def terms(self, embeddings: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three terms of the loss, without their weights."""
        return vicreg_terms(embeddings)


def build(options: Options, encoder: Backbone, projector: nn.Module) -> VicReg:
    """VICReg with the given networks."""
    return VicReg(
        encoder,
        projector,
        invariance=options.invariance,
        variance=options.variance,
        covariance=options.covariance,
    )
