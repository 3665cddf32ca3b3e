"""VIbCReg: VICReg of whitened embeddings, with correlations for covariances (Lee and Aune, 2021)."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.config import methods as config
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses.vibcreg import groups_for_width, vibcreg_terms
from wmse_tui.engine.methods.base import Draws, Losses, Method, StepKey
from wmse_tui.engine.whitening import Layout, diagnose


class VibcReg(Method[config.VibcReg]):
    """Encoder and projector under the VIbCReg loss.

    The networks see one view at a time, BatchNorm statistics included, and so does the whitening.
    """

    def losses(self, views: Tensor, draws: Draws) -> Losses:  # noqa: ARG002 - draws nothing
        embeddings = self.embed_per_view(views)
        terms = vibcreg_terms(embeddings, steps=self.options.steps, groups=self.options.groups)
        names = ("invariance", "variance", "correlation")
        return self.weighted(dict(zip(names, terms, strict=True)), embeddings)

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> WhiteningFailed | None:  # noqa: ARG002
        if self.options.steps == 0:
            return None
        groups = groups_for_width(embeddings.shape[2]) if self.options.groups is None else self.options.groups
        return diagnose(embeddings, operator="iterative", layout=Layout("batch", groups))
