"""Shuffled-DBN: whiten shuffled groups of channels, then draw views together (Hua et al., ICCV 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wmse_tui.config.methods import ShuffledDbn as Options
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import shuffled_dbn_loss
from wmse_tui.engine.losses.shuffled_dbn import groups_for
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey, embedding_dim
from wmse_tui.engine.models import Backbone
from wmse_tui.engine.random import partitions
from wmse_tui.engine.whitening import Layout, diagnose


class ShuffledDbn(Method):
    """Encoder and projector under the Shuffled-DBN loss; the arguments are those of `shuffled_dbn_loss`.

    As in the authors' code the networks see one view at a time, BatchNorm statistics included.

    Args:
        random: shuffle the channels anew for every view; False: groups are consecutive channels.
    """

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        *,
        groups: int | None = None,
        random: bool = True,
        eps: float = 0.0,
    ) -> None:
        super().__init__(encoder, projector)
        self.groups = groups
        self.random = random
        self.eps = eps

    def draw(self, views: int, batch: int, *, step_key: StepKey) -> Draws:
        return {"partitions": self.partitions((views, batch, embedding_dim(self.projector)), step_key)}

    def losses(self, views: Tensor, drawn: Draws) -> Losses:
        embeddings = self.embed_apart(views)
        total = shuffled_dbn_loss(
            embeddings, groups=self.groups, eps=self.eps, partitions=drawn["partitions"]
        )
        return Losses(total, {}, embeddings.detach())

    def partitions(self, shape: tuple[int, ...], step_key: StepKey) -> Tensor:
        """(views, dim) or (dim,): how the channels of embeddings of `shape` are shuffled at this step."""
        views, _, dim = shape
        seed, step = step_key
        return partitions(views, dim, seed=seed, step=step) if self.random else torch.arange(dim)

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:
        return diagnose(embeddings, operator="zca", eps=self.eps, layout=self._layout(embeddings, step_key))

    def whitened(self, embeddings: Tensor, *, step_key: StepKey) -> tuple[Tensor, float]:
        return self._layout(embeddings, step_key).out(embeddings)[0], self.eps

    def _layout(self, embeddings: Tensor, step_key: StepKey) -> Layout:
        groups = groups_for(embeddings.shape[2], embeddings.shape[1]) if self.groups is None else self.groups
        return Layout("batch", groups, self.partitions(embeddings.shape, step_key))


def build(options: Options, encoder: Backbone, projector: nn.Module) -> ShuffledDbn:
    """Shuffled-DBN with the given networks."""
    return ShuffledDbn(
        encoder,
        projector,
        groups=options.groups,
        random=options.partition == "random",
        eps=options.eps,
    )
