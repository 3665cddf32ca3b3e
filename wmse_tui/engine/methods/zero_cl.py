"""Zero-CL: align whitened features, or whitened instances, of views (Zhang et al., ICLR 2022)."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import zero_cl_loss
from wmse_tui.engine.losses.zero_cl import shrinkage
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.whitening import Layout, diagnose, whiten


class ZeroCl(Method[config.ZeroCl]):
    """Encoder and projector under a Zero-CL loss."""

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_per_view(views)
        return Losses(zero_cl_loss(embeddings, **self.loss_options()), {}, embeddings.detach())

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:  # noqa: ARG002
        layout = Layout("batch" if self.options.variant == "feature" else "channel")
        flat = diagnose(embeddings, operator="standardise", layout=layout)
        if flat is not None:
            return flat
        standard = whiten(embeddings, operator="standardise", axis=layout.axis)
        return diagnose(standard, operator="zca", eps=shrinkage(self.options.ridge), layout=layout)
