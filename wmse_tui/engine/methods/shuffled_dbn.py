"""Shuffled-DBN: whiten shuffled groups of channels, then draw views together (Hua et al., ICCV 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.config.methods.slices import groups_for_batch
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import shuffled_dbn_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.random import partitions
from wmse_tui.engine.whitening import Layout, diagnose


class ShuffledDbn(Method[config.ShuffledDbn]):
    """Encoder and projector under the Shuffled-DBN loss.

    As in the authors' code the networks see one view at a time, BatchNorm statistics included.
    """

    def draw(self, views: int, batch: int, *, step_key: StepKey) -> Draws:
        return {"partitions": self.partitions((views, batch, self.embedding_dim), step_key)}

    def losses(self, views: Tensor, draws: Draws) -> Losses:
        embeddings = self.embed_per_view(views)
        options = self.loss_options(without="partition")
        total = shuffled_dbn_loss(embeddings, partitions=draws["partitions"], **options)
        return Losses(total, {}, embeddings.detach())

    def partitions(self, shape: tuple[int, ...], step_key: StepKey) -> Tensor:
        """(views, dim): how the channels of embeddings of `shape` are shuffled at this step.

        (dim,), their own order, where the partition is "fixed".
        """
        views, _, dim = shape
        if self.options.partition == "fixed":
            return torch.arange(dim)
        seed, step = step_key
        return partitions(views, dim, seed=seed, step=step)

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:
        layout = self._layout(embeddings, step_key)
        return diagnose(embeddings, operator="zca", eps=self.options.eps, layout=layout)

    def whitening_input(self, embeddings: Tensor, *, step_key: StepKey) -> tuple[Tensor, float]:
        return self._layout(embeddings, step_key).arrange(embeddings)[0], self.options.eps

    def _layout(self, embeddings: Tensor, step_key: StepKey) -> Layout:
        _, batch, dim = embeddings.shape
        groups = groups_for_batch(dim, batch) if self.options.groups is None else self.options.groups
        return Layout("batch", groups, self.partitions(embeddings.shape, step_key))
