"""CW-RGP: whiten images over random groups of channels, then draw views together (Weng et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wmse_tui.config.methods import CwRgp as Options
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import cw_rgp_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey, embedding_dim
from wmse_tui.engine.models import Backbone
from wmse_tui.engine.random import partitions, permutation
from wmse_tui.engine.whitening import Layout, diagnose, sliced
from wmse_tui.engine.whitening.layout import Axis


class CwRgp(Method):
    """Encoder and projector under the CW-RGP loss; the arguments are those of `cw_rgp_loss`.

    Args:
        random: draw the partitions anew for every view, order and slice; False: consecutive channels.
    """

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        *,
        whitening_size: int,
        groups: int,
        axis: Axis = "channel",
        random: bool = True,
        iterations: int = 1,
        eps: float = 0.0,
        normalize: bool = True,
    ) -> None:
        super().__init__(encoder, projector)
        self.whitening_size = whitening_size
        self.groups = groups
        self.axis: Axis = axis
        self.random = random
        self.iterations = iterations
        self.eps = eps
        self.normalize = normalize

    def draw(self, views: int, batch: int, *, step_key: StepKey) -> Draws:
        return {
            "permutations": self.permutations(batch, step_key),
            "partitions": self.partitions((views, batch, embedding_dim(self.projector)), step_key),
        }

    def losses(self, views: Tensor, drawn: Draws) -> Losses:
        embeddings = self.embed(views)
        total = cw_rgp_loss(
            embeddings,
            whitening_size=self.whitening_size,
            groups=self.groups,
            axis=self.axis,
            iterations=self.iterations,
            eps=self.eps,
            normalize=self.normalize,
            permutations=drawn["permutations"],
            partitions=drawn["partitions"],
        )
        return Losses(total, {}, embeddings.detach())

    def permutations(self, batch: int, step_key: StepKey) -> Tensor:
        """(iterations, batch): the orders in which this step slices its batch."""
        seed, step = step_key
        return torch.stack(
            [permutation(batch, seed=seed, step=step, purpose=index) for index in range(self.iterations)]
        )

    def partitions(self, shape: tuple[int, ...], step_key: StepKey) -> Tensor:
        """(views, iterations, slices, dim): which channels form the groups of each slice at this step.

        Args:
            shape: of the embeddings, (views, batch, dim).
        """
        views, batch, dim = shape
        if not self.random or self.groups == 1:
            return torch.arange(dim)
        seed, step = step_key
        slices = batch // self.whitening_size
        drawn = partitions(views * self.iterations * slices, dim, seed=seed, step=step)
        return drawn.view(views, self.iterations, slices, dim)

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:
        return diagnose(
            embeddings,
            whitening_size=self.whitening_size,
            permutations=self.permutations(embeddings.shape[1], step_key),
            eps=self.eps,
            operator="zca",
            layout=self._layout(embeddings, step_key),
        )

    def whitened(self, embeddings: Tensor, *, step_key: StepKey) -> tuple[Tensor, float]:
        permutations = self.permutations(embeddings.shape[1], step_key)
        slices = sliced(embeddings, whitening_size=self.whitening_size, permutations=permutations)
        return self._layout(embeddings, step_key).out(slices)[0], self.eps

    def _layout(self, embeddings: Tensor, step_key: StepKey) -> Layout:
        return Layout(self.axis, self.groups, self.partitions(embeddings.shape, step_key))


def build(options: Options, encoder: Backbone, projector: nn.Module) -> CwRgp:
    """CW-RGP with the given networks."""
    return CwRgp(
        encoder,
        projector,
        whitening_size=options.whitening_size,
        groups=options.groups,
        axis=options.axis,
        random=options.partition == "random",
        iterations=options.iterations,
        eps=options.eps,
        normalize=options.normalize,
    )
