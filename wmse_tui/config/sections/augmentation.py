"""The augmentation section: how a view is made from an image, in the order of the paper."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from wmse_tui.config.options import Options, Pair, Sizes, rising, unit
from wmse_tui.config.problems import Problem


class Augmentation(Options):
    """How views are made: jitter, grayscale, crop, flip, blur."""

    views: int = Field(
        2,
        ge=2,
        le=16,
        title="Views",
        description="Augmented views of each image; the loss averages over all pairs.",
        json_schema_extra=unit("views"),
    )
    brightness: float = Field(
        0.4, ge=0, le=1, title="Brightness", description="Light is scaled by 1 - this to 1 + this."
    )
    contrast: float = Field(
        0.4, ge=0, le=1, title="Contrast", description="Contrast is scaled by 1 - this to 1 + this."
    )
    saturation: float = Field(
        0.4, ge=0, le=1, title="Saturation", description="Saturation is scaled by 1 - this to 1 + this."
    )
    hue: float = Field(
        0.1,
        ge=0,
        le=0.5,
        title="Hue",
        description="Largest turn of the hue either way.",
        json_schema_extra=unit("turns"),
    )
    jitter_p: float = Field(
        0.8,
        ge=0,
        le=1,
        title="Jitter probability",
        description="How often brightness, contrast, saturation and hue vary.",
    )
    invert_p: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Invert probability",
        description="How often the image is inverted; 0 in the paper.",
    )
    grayscale_p: float = Field(
        0.1, ge=0, le=1, title="Gray probability", description="How often colour is removed."
    )
    crop_scale: Pair = Field(
        (0.2, 1.0),
        title="Crop area",
        description="Smallest and largest share of the image's area that a crop takes.",
    )
    crop_ratio: Pair = Field(
        (0.75, 4 / 3), title="Crop shape", description="Narrowest and widest crop, as width over height."
    )
    flip_p: float = Field(
        0.5, ge=0, le=1, title="Flip probability", description="How often the image is mirrored."
    )
    blur_p: float = Field(
        0.0, ge=0, le=1, title="Blur probability", description="How often a Gaussian blur is applied."
    )
    blur_sigma: Pair = Field(
        (0.1, 2.0),
        title="Blur width",
        description="Smallest and largest standard deviation of the blur.",
        json_schema_extra=unit("px"),
    )

    def problems(self, _sizes: Sizes) -> Iterator[Problem]:
        yield from rising("augmentation.crop_scale", self.crop_scale)
        yield from rising("augmentation.crop_ratio", self.crop_ratio)
        yield from rising("augmentation.blur_sigma", self.blur_sigma)
        if max(self.crop_scale) > 1:
            yield Problem(
                "augmentation.crop_scale", "a crop cannot be larger than its image", "use at most 1.0"
            )
