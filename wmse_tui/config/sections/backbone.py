"""The backbone section: which network is the encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from wmse_tui.config.options import Options, Sizes, nearest_divisor, unit
from wmse_tui.config.problems import Problem

Architecture = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "cifar_resnet8",
    "cifar_resnet20",
    "cifar_resnet32",
    "cifar_resnet56",
]

Stem = Literal["imagenet", "small", "cifar"]
STEMS: tuple[Stem, ...] = ("imagenet", "small", "cifar")

NORM_CHANNELS = 64
"""Channels of the first norm of every torchvision ResNet; those of the others are multiples of it."""
NEED_RANK = ("zca", "cholesky")
MAX_STEPS = 20
"""More would raise the rounding of a direction without variance (1e-8 of the trace, times 1.5^steps squared)
to the size of the others."""
SUFFICIENT_EPS = 1e-3
"""A shrinkage with which these invert a covariance without full rank in float32."""


class Backbone(Options):
    """The encoder that is trained, evaluated and exported."""

    arch: Architecture = Field(
        "resnet18",
        title="Architecture",
        description="A torchvision ResNet, or one of the small CIFAR ResNets (16-32-64 channels) that "
        "suit a CPU.",
    )
    stem: Literal["auto", "imagenet", "small", "cifar"] = Field(
        "auto",
        title="Stem",
        description="First layers: imagenet (7x7, max-pool), small (3x3, max-pool) or cifar (3x3 alone); "
        "auto is cifar up to 32 px, imagenet from 128 px, small between.",
    )
    views: Literal["apart", "together"] = Field(
        "apart",
        title="Views",
        description="apart: the encoder is called for each view, as in the W-MSE paper's code; together: "
        "once for all. That changes what is computed: BatchNorm then computes its statistics over all views.",
    )
    norm: Literal["batch", "sw2", "sw3", "sw5"] = Field(
        "batch",
        title="Norm",
        description="batch: BatchNorm; sw..: switchable whitening (Pan et al. 2019) of 2, 3, 5 statistics at "
        "the published places of a torchvision ResNet.",
    )
    norm_width: int = Field(
        16,
        ge=2,
        le=NORM_CHANNELS,
        title="Norm group",
        description="Switchable whitening: channels that are whitened together.",
        json_schema_extra=unit("channels"),
    )
    norm_steps: int = Field(
        5,
        ge=1,
        le=MAX_STEPS,
        title="Norm Newton steps",
        description="Switchable whitening: steps towards the inverse root.",
        json_schema_extra=unit("steps"),
    )
    norm_momentum: float = Field(
        0.01,
        gt=0,
        le=1,
        title="Norm momentum",
        description="Switchable whitening: share of the newest batch in the statistics for evaluation.",
    )
    norm_images: int | None = Field(
        None,
        ge=2,
        le=65_536,
        title="Norm images",
        description="Consecutive images of a view over which a BatchNorm of the encoder computes its "
        "statistics, as in recipes with BatchNorm per device; empty: all of a call.",
        json_schema_extra=unit("images"),
    )
    norm_tied: bool = Field(
        False,
        title="Norm weights tied",
        description="Switchable whitening: the same importance weights for means and covariances.",
    )
    whitening: Literal["none", "iterative", "zca", "cholesky", "standardise"] = Field(
        "none",
        title="Encoder whitening",
        description="A whitening layer at the end of the encoder, for any method (Kalapos and Gyires-Tóth "
        "2024: iterative); by the batch in training, by running statistics in evaluation.",
    )
    whitening_groups: int = Field(
        1,
        ge=1,
        le=2048,
        title="Whitening groups",
        description="Encoder whitening: number of groups of equal width that the features are divided into.",
        json_schema_extra=unit("groups"),
    )
    whitening_steps: int = Field(
        5,
        ge=1,
        le=MAX_STEPS,
        title="Whitening steps",
        description="Encoder whitening, iterative: Newton steps; more whiten small variances too.",
        json_schema_extra=unit("steps"),
    )
    whitening_eps: float = Field(
        1e-5,
        ge=0,
        lt=1,
        title="Encoder shrinkage",
        description="Encoder whitening: weight of the identity beside the covariance.",
    )
    whitening_momentum: float = Field(
        0.1,
        gt=0,
        le=1,
        title="Whitening momentum",
        description="Encoder whitening: share of the newest batch in the statistics for evaluation.",
    )

    @property
    def features(self) -> int:
        """Dimensions of the encoder's features."""
        return (
            64 if self.arch.startswith("cifar_") else 512 if self.arch in ("resnet18", "resnet34") else 2048
        )

    def images_per_call(self, sizes: Sizes) -> int:
        """Images in one call of the encoder in training: those over which its layers compute statistics."""
        views = sizes.views if self.views == "together" else 1
        return views * sizes.batch

    def smallest_norm_map(self, crop: int) -> int:
        """Height and width in pixels of the maps of the last switchable norm, for views of `crop` px."""
        stem = resolve_stem(self.stem, self.arch, crop)
        halvings = {"imagenet": 2, "small": 1, "cifar": 0}[stem] + 2  # two between the first three stages
        for _ in range(halvings):
            crop = (crop + 1) // 2
        return crop

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        if self.arch.startswith("cifar_") and self.stem != "auto":
            message = f"{self.arch} has a stem of its own, not {self.stem}"
            yield Problem("backbone.stem", message, "use auto", values=(("backbone.stem", "auto"),))
        yield from self._group_problems(sizes)
        yield from self._norm_problems(sizes.crop)
        yield from self._whitening_problems(sizes)

    def _group_problems(self, sizes: Sizes) -> Iterator[Problem]:
        """Groups of images that a device does not hold whole."""
        if self.norm_images is None:
            return
        if self.norm != "batch":
            yield Problem(
                "backbone.norm_images",
                f"backbone.norm is {self.norm}, and only batch has groups of images",
                "remove it, or set backbone.norm=batch",
            )
            return
        images = sizes.batch // sizes.ranks
        if images % self.norm_images and sizes.batch % sizes.ranks == 0:
            of = f" on each of {sizes.ranks} devices" if sizes.ranks > 1 else ""
            yield Problem(
                "backbone.norm_images",
                f"{images} images{of} cannot be divided into groups of {self.norm_images}",
                f"use {max(nearest_divisor(images, self.norm_images), 2)}, or another divisor of {images}"
                if images > 1
                else "use fewer devices",
            )

    def _norm_problems(self, crop: int) -> Iterator[Problem]:
        if self.norm == "batch":
            yield from self._without_effect(
                ("norm_width", "norm_steps", "norm_momentum", "norm_tied"),
                "backbone.norm is batch, and only switchable whitening uses it",
                "set backbone.norm=sw2, or remove it",
            )
            return
        if self.arch.startswith("cifar_"):
            yield Problem(
                "backbone.norm",
                f"switchable whitening exists for torchvision's ResNets, not for {self.arch}",
                "use batch, or backbone.arch=resnet18",
            )
            return
        if NORM_CHANNELS % self.norm_width:
            below = max(w for w in (2, 4, 8, 16, 32, 64) if w < self.norm_width)
            yield Problem(
                "backbone.norm_width",
                f"{NORM_CHANNELS} channels cannot be divided into groups of {self.norm_width}",
                f"use {below} or {2 * below}; 16 as published",
            )
        if self.smallest_norm_map(crop) < 2:
            yield Problem(
                "backbone.norm",
                f"views of {crop} px leave maps of one pixel in the third stage, which have no covariance of "
                "their own",
                "use a larger dataset.crop, or another backbone.stem",
            )

    def _whitening_problems(self, sizes: Sizes) -> Iterator[Problem]:
        if self.whitening == "none":
            yield from self._without_effect(
                ("whitening_groups", "whitening_steps", "whitening_eps", "whitening_momentum"),
                "backbone.whitening is none, and only a whitening layer uses it",
                "set backbone.whitening=iterative, or remove it",
            )
            return
        if self.whitening != "iterative":
            yield from self._without_effect(
                ("whitening_steps",),
                f"the layer is {self.whitening}, and only the iterative one has steps",
                "set backbone.whitening=iterative, or remove it",
            )
        if self.whitening == "standardise":
            yield from self._without_effect(
                ("whitening_groups",),
                "the layer scales each feature by itself: groups change nothing",
                "remove it",
            )
        if self.features % self.whitening_groups:
            near = nearest_divisor(self.features, self.whitening_groups)
            yield Problem(
                "backbone.whitening_groups",
                f"the {self.features} features of {self.arch} cannot be divided into {self.whitening_groups} "
                "groups of equal width",
                f"use {near}, or another divisor of {self.features}",
            )
            return
        if self.whitening in NEED_RANK and self.whitening_eps < SUFFICIENT_EPS:
            yield from self._too_few(sizes)

    def _too_few(self, sizes: Sizes) -> Iterator[Problem]:
        """Batches that cannot whiten a group of features, where the shrinkage is too small to compensate."""
        width = self.features // self.whitening_groups
        batch, evaluated = self.images_per_call(sizes), sizes.evaluation_batch
        fix = (
            f"use more than {width}, or set more backbone.whitening_groups, backbone.whitening_eps to "
            f"{SUFFICIENT_EPS:g} or more, or backbone.whitening=iterative"
        )
        if batch <= width:
            yield Problem("schedule.batch_size", f"{batch} images cannot whiten {width} features", fix)
        elif evaluated <= 2 * width:  # a pass over all images is cut into batches of half that or more
            yield Problem(
                "evaluation.batch_size",
                f"batches of {evaluated} images may leave too few in one to whiten {width} features",
                f"use more than {2 * width}",
            )

    def _without_effect(self, names: tuple[str, ...], message: str, fix: str) -> Iterator[Problem]:
        for name in names:
            if getattr(self, name) != type(self).model_fields[name].default:
                yield Problem(f"backbone.{name}", message, fix)


def no_counterpart(options: Backbone) -> str:
    """Why torchvision has no network of this form, in one sentence; "" where it has one."""
    if options.arch.startswith("cifar_"):
        return f"backbone.arch={options.arch} is a ResNet of 16, 32 and 64 channels"
    if options.norm != "batch":
        return f"backbone.norm={options.norm} has switchable whitening where torchvision has BatchNorm"
    return ""


def resolve_stem(stem: str, arch: str, crop: int) -> Stem:
    """The stem of `arch` for training images of `crop` x `crop` pixels.

    "auto" is cifar up to 32 px, imagenet from 128 px, small between. The CIFAR ResNets always have their
    own, which is of the cifar kind (3x3, no max-pool).

    Raises:
        ValueError: an unknown stem, or one requested for a CIFAR ResNet.
    """
    if arch.startswith("cifar_"):
        if stem != "auto":
            raise ValueError(f"{arch} has a stem of its own, not {stem!r}; use 'auto'")
        return "cifar"
    if stem == "auto":
        return "cifar" if crop <= 32 else "imagenet" if crop >= 128 else "small"
    if stem not in STEMS:
        raise ValueError(f"stem must be 'auto', {', '.join(map(repr, STEMS))}, not {stem!r}")
    return stem
