"""INTL: whiten by a few Newton steps, and pull up the variance that they leave (Weng et al., ICLR 2024)."""

from __future__ import annotations

from torch import Tensor, nn

from wmse_tui.config.methods import Intl as Options
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import intl_loss
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.models import Backbone
from wmse_tui.engine.whitening import Layout, diagnose, whiten
from wmse_tui.engine.whitening.layout import Axis


class Intl(Method):
    """Encoder and projector under the INTL loss; the arguments are those of `intl_loss`.

    As in the authors' code the networks see one view at a time, BatchNorm statistics included.
    """

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        *,
        steps: int = 4,
        axis: Axis = "channel",
        trace_weight: float | None = None,
    ) -> None:
        super().__init__(encoder, projector)
        self.steps = steps
        self.axis: Axis = axis
        self.trace_weight = trace_weight

    def losses(self, views: Tensor, drawn: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_apart(views)
        total = intl_loss(embeddings, steps=self.steps, axis=self.axis, trace_weight=self.trace_weight)
        return Losses(total, {}, embeddings.detach())

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:  # noqa: ARG002
        return diagnose(embeddings, operator="iterative", layout=Layout(self.axis))

    def white(self, embeddings: Tensor, *, step_key: StepKey) -> Tensor:  # noqa: ARG002
        z = whiten(embeddings, operator="iterative", steps=self.steps, axis=self.axis)
        return z.mT if self.axis == "channel" else z


def build(options: Options, encoder: Backbone, projector: nn.Module) -> Intl:
    """INTL with the given networks."""
    return Intl(encoder, projector, steps=options.steps, axis=options.axis, trace_weight=options.trace_weight)
