"""CW-RGP: whiten images over random groups of channels, then draw views together (Weng et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import cw_rgp_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.random import partitions, permutations
from wmse_tui.engine.whitening import Layout, diagnose, sliced


class CwRgp(Method[config.CwRgp]):
    """Encoder and projector under the CW-RGP loss."""

    def draw(self, views: int, batch: int, *, step_key: StepKey) -> Draws:
        return {
            "permutations": self.permutations(batch, step_key),
            "partitions": self.partitions((views, batch, self.embedding_dim), step_key),
        }

    def losses(self, views: Tensor, draws: Draws) -> Losses:
        embeddings = self.embed(views)
        total = cw_rgp_loss(
            embeddings,
            permutations=draws["permutations"],
            partitions=draws["partitions"],
            **self.loss_options(without="partition"),
        )
        return Losses(total, {}, embeddings.detach())

    def permutations(self, batch: int, step_key: StepKey) -> Tensor:
        """(iterations, batch): the orders in which this step slices its batch."""
        seed, step = step_key
        return permutations(self.options.iterations, batch, seed=seed, step=step)

    def partitions(self, shape: tuple[int, ...], step_key: StepKey) -> Tensor:
        """(views, iterations, slices, dim): which channels form the groups of each slice at this step.

        (dim,), the channels' own order, where there is one group or the partition is "fixed".

        Args:
            shape: of the embeddings, (views, batch, dim).
        """
        views, batch, dim = shape
        if self.options.partition == "fixed" or self.options.groups == 1:
            return torch.arange(dim)
        seed, step = step_key
        leading = (views, self.options.iterations, batch // self.options.whitening_size)
        return partitions(torch.Size(leading).numel(), dim, seed=seed, step=step).view(*leading, dim)

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:
        return diagnose(
            embeddings,
            whitening_size=self.options.whitening_size,
            permutations=self.permutations(embeddings.shape[1], step_key),
            eps=self.options.eps,
            operator="zca",
            layout=self._layout(embeddings, step_key),
        )

    def whitening_input(self, embeddings: Tensor, *, step_key: StepKey) -> tuple[Tensor, float]:
        slices = sliced(
            embeddings,
            whitening_size=self.options.whitening_size,
            permutations=self.permutations(embeddings.shape[1], step_key),
        )
        return self._layout(embeddings, step_key).arrange(slices)[0], self.options.eps

    def _layout(self, embeddings: Tensor, step_key: StepKey) -> Layout:
        partition = self.partitions(embeddings.shape, step_key)
        return Layout(self.options.axis, self.options.groups, partition)
