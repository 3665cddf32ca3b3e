"""VIbCReg: VICReg of whitened embeddings, with correlations for covariances (Lee and Aune, 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from wmse_tui.config.methods import VibcReg as Options
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses.vibcreg import groups_for, vibcreg_terms
from wmse_tui.engine.methods.base import StepKey
from wmse_tui.engine.methods.vicreg import VicReg
from wmse_tui.engine.models import Backbone
from wmse_tui.engine.whitening import Layout, diagnose


class VibcReg(VicReg):
    """Encoder and projector under the VIbCReg loss; the arguments are those of `vibcreg_loss`.

    The networks see one view at a time, BatchNorm statistics included, and so does the whitening.
    """

    THIRD = "correlation"

    def __init__(
        self,
        encoder: Backbone,
        projector: nn.Module,
        *,
        invariance: float = 25.0,
        variance: float = 25.0,
        correlation: float = 200.0,
        steps: int = 5,
        groups: int | None = None,
    ) -> None:
        super().__init__(encoder, projector, invariance=invariance, variance=variance, covariance=correlation)
        self.steps = steps
        self.groups = groups

    def terms(self, embeddings: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return vibcreg_terms(embeddings, steps=self.steps, groups=self.groups)

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:  # noqa: ARG002
        if self.steps == 0:
            return None
        groups = groups_for(embeddings.shape[2]) if self.groups is None else self.groups
        return diagnose(embeddings, operator="iterative", layout=Layout("batch", groups))


def build(options: Options, encoder: Backbone, projector: nn.Module) -> VibcReg:
    """VIbCReg with the given networks."""
    return VibcReg(
        encoder,
        projector,
        invariance=options.invariance,
        variance=options.variance,
        correlation=options.correlation,
        steps=options.steps,
        groups=options.groups,
    )
