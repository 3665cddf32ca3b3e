"""Networks: backbones, their stems, and the projector. Plain arguments only; nothing here sees a config."""

from wmse_tui.config.sections.backbone import resolve_stem
from wmse_tui.engine.models.backbone import Encoder, LastWhitening, SwitchableNorm, build_backbone
from wmse_tui.engine.models.projector import build_projector

__all__ = [
    "Encoder",
    "LastWhitening",
    "SwitchableNorm",
    "build_backbone",
    "build_projector",
    "resolve_stem",
]
