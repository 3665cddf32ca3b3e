"""The backbone section: which network is the encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from wmse_tui.config.options import Options
from wmse_tui.config.problems import Problem

if TYPE_CHECKING:
    from wmse_tui.config.schema import Experiment

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
        "auto takes cifar up to 32 px, imagenet from 128 px, small between.",
    )

    def problems(self, experiment: Experiment) -> Iterator[Problem]:  # noqa: ARG002
        if self.arch.startswith("cifar_") and self.stem != "auto":
            yield Problem("backbone.stem", f"{self.arch} has a stem of its own, not {self.stem}", "take auto")
