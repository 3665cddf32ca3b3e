"""SimSiam: predict the other view's embedding, which counts as a constant (Chen and He, CVPR 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wmse_tui.config import methods as config
from wmse_tui.engine.distribution.gather import gather
from wmse_tui.engine.losses import simsiam_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method
from wmse_tui.engine.models import Encoder, build_projector
from wmse_tui.engine.precision import full_precision


class SimSiam(Method[config.SimSiam]):
    """Encoder, projector and predictor; each sees one view at a time, BatchNorm statistics included.

    The predictor, embeddings (n, dim) to predictions (n, dim), is linear, BatchNorm, ReLU, linear.
    """

    def __init__(self, encoder: Encoder, projector: nn.Sequential, options: config.SimSiam) -> None:
        super().__init__(encoder, projector, options)
        dim, hidden = self.embedding_dim, options.predictor_hidden
        if options.output_batch_norm:
            projector.append(nn.BatchNorm1d(dim, affine=False))
        self.predictor = build_projector(dim, layers=2, hidden=hidden, dim=dim, batch_norm=True)

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_own(views)
        with full_precision(views.device.type):
            predictions = torch.stack([self.predictor(embedding) for embedding in embeddings])
        embeddings = gather(embeddings, 1)
        total = simsiam_loss(gather(predictions, 1), embeddings)
        return Losses(total, {}, embeddings.detach())

    def unscheduled_parameters(self) -> list[nn.Parameter]:
        return list(self.predictor.parameters()) if self.options.predictor_rate == "constant" else []
