"""From the backbone section of a configuration to the encoder."""

from __future__ import annotations

from wmse_tui.config.sections.backbone import Backbone as Options
from wmse_tui.engine.models.backbone import Encoder, LastWhitening, SwitchableNorm, build_backbone
from wmse_tui.engine.models.grouped_batch_norm import use_groups


def build_encoder(options: Options, crop: int) -> Encoder:
    """The encoder of `options` for images of `crop` px; see `build_backbone`. Plain numbers from here on."""
    norm = whitening = None
    if options.norm != "batch":
        norm = SwitchableNorm(
            kind=options.norm,
            width=options.norm_width,
            steps=options.norm_steps,
            tied=options.norm_tied,
            momentum=options.norm_momentum,
        )
    if options.whitening != "none":
        whitening = LastWhitening(
            operator=options.whitening,
            eps=options.whitening_eps,
            groups=options.whitening_groups,
            steps=options.whitening_steps,
            momentum=options.whitening_momentum,
        )
    encoder = build_backbone(options.arch, options.stem, crop, norm=norm, whitening=whitening)
    if options.norm_images is not None:
        use_groups(encoder, options.norm_images)
    return encoder
