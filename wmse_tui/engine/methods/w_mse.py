"""W-MSE: draw whitened views together; the whitening keeps them apart (Ermolov et al., ICML 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wmse_tui.config.methods import WMse as Options
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import w_mse_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.models import Backbone
from wmse_tui.engine.random import permutation
from wmse_tui.engine.whitening import Layout, Operator, diagnose, sliced, whiten
from wmse_tui.engine.whitening.diagnosis import needs_rank


class WMse(Method):
    """Encoder and projector under the W-MSE loss; the arguments are those of `w_mse_loss`."""

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        *,
        whitening_size: int,
        iterations: int = 1,
        operator: Operator = "cholesky",
        steps: int = 5,
        eps: float = 0.0,
        relative_eps: bool = False,
        normalize: bool = True,
    ) -> None:
        super().__init__(encoder, projector)
        self.whitening_size = whitening_size
        self.iterations = iterations
        self.operator: Operator = operator
        self.steps = steps
        self.eps = eps
        self.relative_eps = relative_eps
        self.normalize = normalize

    def draw(self, views: int, batch: int, *, step_key: StepKey) -> Draws:  # noqa: ARG002
        return {"permutations": self.permutations(batch, step_key)}

    def losses(self, views: Tensor, drawn: Draws) -> Losses:
        embeddings = self.embed(views)
        total = w_mse_loss(
            embeddings,
            whitening_size=self.whitening_size,
            iterations=self.iterations,
            operator=self.operator,
            steps=self.steps,
            eps=self.eps,
            relative_eps=self.relative_eps,
            normalize=self.normalize,
            permutations=drawn["permutations"],
        )
        return Losses(total, {}, embeddings.detach())

    def permutations(self, batch: int, step_key: StepKey) -> Tensor:
        """(iterations, batch): the orders in which this step slices its batch."""
        seed, step = step_key
        return torch.stack(
            [permutation(batch, seed=seed, step=step, purpose=index) for index in range(self.iterations)]
        )

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:
        return diagnose(
            embeddings,
            whitening_size=self.whitening_size,
            permutations=self.permutations(embeddings.shape[1], step_key),
            eps=self.eps,
            operator=self.operator,
            layout=Layout(relative=self.relative_eps),
        )

    def whitened(self, embeddings: Tensor, *, step_key: StepKey) -> tuple[Tensor, float] | None:
        if not needs_rank(self.operator):
            return None
        permutations = self.permutations(embeddings.shape[1], step_key)
        slices = sliced(embeddings, whitening_size=self.whitening_size, permutations=permutations)
        return Layout(relative=self.relative_eps).out(slices)[0], self.eps

    def white(self, embeddings: Tensor, *, step_key: StepKey) -> Tensor | None:
        if self.operator == "none":
            return None
        permutations = self.permutations(embeddings.shape[1], step_key)
        return whiten(
            sliced(embeddings, whitening_size=self.whitening_size, permutations=permutations),
            operator=self.operator,
            steps=self.steps,
            eps=self.eps,
            relative_eps=self.relative_eps,
        )


def build(options: Options, encoder: Backbone, projector: nn.Module) -> WMse:
    """W-MSE with the given networks; here the config ends and plain numbers begin."""
    return WMse(
        encoder,
        projector,
        whitening_size=options.whitening_size,
        iterations=options.iterations,
        operator=options.operator,
        steps=options.steps,
        eps=options.eps,
        relative_eps=options.relative_eps,
        normalize=options.normalize,
    )
