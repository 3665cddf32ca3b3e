"""A trained encoder that is to be exported, and its weights as torchvision names and shapes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from wmse_tui.config.sections.backbone import Backbone, Stem, no_counterpart, resolve_stem
from wmse_tui.engine.errors import ExportError
from wmse_tui.engine.models.encoder_whitening import EncoderWhitening

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedEncoder:
    """An encoder on the CPU, in evaluation mode and float32, and what a file has to record about it.

    Args:
        network: normalised images (batch, 3, size, size) to features (batch, dim).
        options: the backbone section of its configuration.
        crop: height and width in px of its training views, which choose the stem "auto".
        size: height and width in px of the images that it was evaluated on.
        resize: the shorter side in px to which an image is resized before that square is cropped, if it is.
        mean, std: of red, green and blue in [0, 1], by which images are normalised.
        facts: where it comes from and what it reached, for the file beside the weights.
    """

    network: nn.Module
    options: Backbone
    crop: int
    size: int
    resize: int | None
    mean: Triple
    std: Triple
    facts: Mapping[str, Any]

    @property
    def stem(self) -> Stem:
        """Its first layers."""
        return resolve_stem(self.options.stem, self.options.arch, self.crop)

    @property
    def crop_share(self) -> float:
        """The side of the evaluated square as a share of the resized image's shorter side."""
        return self.size / (self.resize or self.size)

    @property
    def whitening(self) -> EncoderWhitening | None:
        """The whitening layer at its end, if it has one."""
        last = self.network.fc
        return last if isinstance(last, EncoderWhitening) else None

    @property
    def dim(self) -> int:
        """Dimensions of its features."""
        return int(cast("int", self.network.feature_dim))


class NormalisedEncoder(nn.Module):
    """Images (batch, 3, size, size) in [0, 1] to features (batch, dim): the normalisation is inside."""

    mean: Tensor
    std: Tensor

    def __init__(self, trained: TrainedEncoder) -> None:
        super().__init__()
        self.network = trained.network
        self.register_buffer("mean", torch.tensor(trained.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(trained.std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return cast("Tensor", self.network((images - self.mean) / self.std))


def own_weights(trained: TrainedEncoder) -> dict[str, Tensor]:
    """The encoder's state under its own names: contiguous copies that share no memory."""
    return {name: _copy(value) for name, value in trained.network.state_dict().items()}


def torchvision_weights(trained: TrainedEncoder) -> dict[str, Tensor]:
    """The encoder's state for the ResNet of torchvision (and timm) of its name, which loads it strictly.

    Encoder whitening y = M (x - m), with the running mean m and the block-diagonal M of its groups, becomes
    the linear layer `fc` of weight M and bias -M m; without it there is no `fc`.

    Raises:
        ExportError: torchvision has no such network.
    """
    if problem := no_counterpart(trained.options):
        raise ExportError(
            "torchvision and timm have no network of this form",
            problem,
            next=("export a graph: --format onnx, or --format torch-export", "export features: --format npz"),
        )
    tensors = own_weights(trained)
    if (last := trained.whitening) is not None:
        tensors = {name: value for name, value in tensors.items() if not name.startswith("fc.")}
        matrix = torch.block_diag(*last.running_matrix.double())
        tensors["fc.weight"] = matrix.float()
        tensors["fc.bias"] = -(matrix @ last.running_mean.double()).float()
    return tensors


def _copy(value: Tensor) -> Tensor:
    return value.detach().to("cpu").clone(memory_format=torch.contiguous_format)
