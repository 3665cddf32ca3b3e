"""INTL: whiten by a few Newton steps, and pull up the variance that they leave (Weng et al., ICLR 2024)."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import intl_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.whitening import Layout, diagnose, whiten


class Intl(Method[config.Intl]):
    """Encoder and projector under the INTL loss.

    As in the authors' code the networks see one view at a time, BatchNorm statistics included.
    """

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_per_view(views)
        return Losses(intl_loss(embeddings, **self.loss_options()), {}, embeddings.detach())

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:  # noqa: ARG002
        return diagnose(embeddings, operator="iterative", layout=Layout(self.options.axis))

    def whitening_output(self, embeddings: Tensor, *, step_key: StepKey) -> Tensor:  # noqa: ARG002
        axis = self.options.axis
        z = whiten(embeddings, operator="iterative", steps=self.options.steps, axis=axis)
        return z.mT if axis == "channel" else z
