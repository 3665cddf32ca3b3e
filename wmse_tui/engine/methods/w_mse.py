"""W-MSE: pull whitened views together; the whitening spreads them (Ermolov et al., ICML 2021)."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import w_mse_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.random import permutations
from wmse_tui.engine.whitening import Layout, diagnose, sliced, whiten
from wmse_tui.engine.whitening.diagnosis import needs_rank


class WMse(Method[config.WMse]):
    """Encoder and projector under the W-MSE loss."""

    def draw(self, views: int, batch: int, *, step_key: StepKey) -> Draws:  # noqa: ARG002
        return {"permutations": self.permutations(batch, step_key)}

    def losses(self, views: Tensor, draws: Draws) -> Losses:
        embeddings = self.embed(views)
        total = w_mse_loss(embeddings, permutations=draws["permutations"], **self.loss_options())
        return Losses(total, {}, embeddings.detach())

    def permutations(self, batch: int, step_key: StepKey) -> Tensor:
        """(iterations, batch): the orders in which this step slices its batch."""
        seed, step = step_key
        return permutations(self.options.iterations, batch, seed=seed, step=step)

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:
        return diagnose(
            embeddings,
            whitening_size=self.options.whitening_size,
            permutations=self.permutations(embeddings.shape[1], step_key),
            eps=self.options.eps,
            operator=self.options.operator,
            layout=Layout(relative=self.options.relative_eps),
        )

    def whitening_input(self, embeddings: Tensor, *, step_key: StepKey) -> tuple[Tensor, float] | None:
        if not needs_rank(self.options.operator):
            return None
        layout = Layout(relative=self.options.relative_eps)
        return layout.arrange(self._slices(embeddings, step_key))[0], self.options.eps

    def whitening_output(self, embeddings: Tensor, *, step_key: StepKey) -> Tensor | None:
        if self.options.operator == "none":
            return None
        return whiten(
            self._slices(embeddings, step_key),
            operator=self.options.operator,
            steps=self.options.steps,
            eps=self.options.eps,
            relative_eps=self.options.relative_eps,
        )

    def _slices(self, embeddings: Tensor, step_key: StepKey) -> Tensor:
        orders = self.permutations(embeddings.shape[1], step_key)
        return sliced(embeddings, whitening_size=self.options.whitening_size, permutations=orders)
