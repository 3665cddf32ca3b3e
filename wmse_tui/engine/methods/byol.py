"""BYOL: predict the embedding that a slow target network gives the other view (Grill et al., 2020)."""

from __future__ import annotations

import copy
import math
from itertools import chain

import torch
from torch import Tensor, nn

from wmse_tui.config import methods as config
from wmse_tui.engine.distribution.gather import gather
from wmse_tui.engine.losses import byol_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, project_per_view
from wmse_tui.engine.models import Encoder, build_projector
from wmse_tui.engine.precision import full_precision


class Byol(Method[config.Byol]):
    """Online encoder, projector and predictor, and a target copy of the first two that follows them.

    As in the W-MSE paper's code, every network sees one view at a time, BatchNorm statistics included. The
    target runs in training mode (its BatchNorm normalises by the batch), and only its parameters follow: its
    running statistics are its own. The predictor, embeddings (n, dim) to predictions (n, dim), has one hidden
    layer: linear, BatchNorm, ReLU, linear.
    """

    def __init__(self, encoder: Encoder, projector: nn.Sequential, options: config.Byol) -> None:
        super().__init__(encoder, projector, options)
        dim, hidden = self.embedding_dim, options.predictor_hidden
        self.predictor = build_projector(dim, layers=2, hidden=hidden, dim=dim, batch_norm=True)
        self.target_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(projector).requires_grad_(False)

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_own(views)
        with full_precision(views.device.type):
            predictions = torch.stack([self.predictor(embedding) for embedding in embeddings])
        with torch.no_grad():
            targets = project_per_view(self.target_projector, self.encode(views, self.target_encoder))
        total = byol_loss(gather(predictions, 1), gather(targets, 1))
        return Losses(total, {}, gather(embeddings.detach(), 1))

    def target_rate(self, progress: float) -> float:
        """1 - τ: the share by which the target moves towards the online networks; it falls during training.

        τ rises from `momentum` to 1 along the cosine of Grill et al. (2020), step by step. The W-MSE paper's
        code updates it once an epoch: over 1000 epochs τ differs by 1.6e-5 at most.
        """
        return (1 - self.options.momentum) * (math.cos(math.pi * progress) + 1) / 2

    def update_target(self, rate: float | Tensor) -> None:
        """Move the target's parameters towards the online ones."""
        with torch.no_grad():
            for target, online in zip(
                chain(self.target_encoder.parameters(), self.target_projector.parameters()),
                chain(self.encoder.parameters(), self.projector.parameters()),
                strict=True,
            ):
                target.lerp_(online, rate)
