"""SimSiam: predict the other view's embedding, which counts as a constant (Chen and He, CVPR 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wmse_tui.config.methods import SimSiam as Options
from wmse_tui.engine.losses import simsiam_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, embedding_dim
from wmse_tui.engine.models import Backbone, build_projector
from wmse_tui.engine.whitening.precision import full_precision


class SimSiam(Method):
    """Encoder, projector and predictor; each sees one view at a time, BatchNorm statistics included.

    Args:
        predictor: embeddings (n, dim) to predictions (n, dim).
        hold_predictor_rate: the predictor is stepped at the base learning rate all the time.
    """

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        predictor: nn.Module,
        *,
        hold_predictor_rate: bool = True,
    ) -> None:
        super().__init__(encoder, projector)
        self.predictor = predictor
        self.hold_predictor_rate = hold_predictor_rate

    def losses(self, views: Tensor, drawn: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_apart(views)
        with full_precision(views.device.type):
            predictions = torch.stack([self.predictor(embedding) for embedding in embeddings])
        return Losses(simsiam_loss(predictions, embeddings), {}, embeddings.detach())

    def unscheduled_parameters(self) -> list[nn.Parameter]:
        return list(self.predictor.parameters()) if self.hold_predictor_rate else []


def build(options: Options, encoder: Backbone, projector: nn.Sequential) -> SimSiam:
    """SimSiam with the given networks and a predictor: linear, BatchNorm, ReLU, linear."""
    dim = embedding_dim(projector)
    if options.output_batch_norm:
        projector.append(nn.BatchNorm1d(dim, affine=False))
    predictor = build_projector(dim, layers=2, hidden=options.predictor_hidden, dim=dim, batch_norm=True)
    hold = options.predictor_rate == "constant"
    return SimSiam(encoder, projector, predictor, hold_predictor_rate=hold)
