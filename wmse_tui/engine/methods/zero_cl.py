"""Zero-CL: align whitened features, or whitened instances, of views (Zhang et al., ICLR 2022)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from wmse_tui.config.methods import ZeroCl as Options
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import zero_cl_loss
from wmse_tui.engine.losses.zero_cl import shrinkage
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.models import Backbone
from wmse_tui.engine.whitening import Layout, diagnose, whiten


class ZeroCl(Method):
    """Encoder and projector under a Zero-CL loss; the arguments are those of `zero_cl_loss`."""

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        *,
        variant: Literal["feature", "instance"] = "feature",
        ridge: float = 0.01,
    ) -> None:
        super().__init__(encoder, projector)
        self.variant = variant
        self.ridge = ridge
        self._layout = Layout("batch" if variant == "feature" else "channel")

    def losses(self, views: Tensor, drawn: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_apart(views)
        total = zero_cl_loss(embeddings, variant=self.variant, ridge=self.ridge)
        return Losses(total, {}, embeddings.detach())

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:  # noqa: ARG002
        flat = diagnose(embeddings, operator="standardise", layout=self._layout)
        if flat is not None:
            return flat
        standard = whiten(embeddings, operator="standardise", axis=self._layout.axis)
        return diagnose(standard, operator="zca", eps=shrinkage(self.ridge), layout=self._layout)


def build(options: Options, encoder: Backbone, projector: nn.Module) -> ZeroCl:
    """Zero-CL with the given networks."""
    return ZeroCl(encoder, projector, variant=options.variant, ridge=options.ridge)
