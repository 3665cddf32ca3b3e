"""Switchable whitening: a normalisation that learns which statistics to whiten by (Pan et al., ICCV 2019).

"Switchable Whitening for deep representation learning", arXiv 1904.09739. In groups of `width` channels, for
image n,

    x̂ = Σ^(-1/2) (x - μ) γ + β,    μ = Σ_k ω_k μ_k,    Σ = Σ_k ω'_k Σ_k + eps 1,

with ω and ω' the softmax of learnt numbers, and k among: batch whitening (mean and covariance over images and
pixels), instance whitening (over the pixels of one image), batch and instance standardisation (the diagonals
of the two), and layer normalisation (one mean and one variance of all channels and pixels of an image).

The authors' code weighs the terms of batch and instance standardisation of `sw5` by the weights of the two
whitenings once more, so that the weights do not sum to 1. Here the formula is as published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from wmse_tui.engine.models.running import RunningStatistics
from wmse_tui.engine.precision import at_least_float32, full_precision
from wmse_tui.engine.whitening.matrices import inverse_root

Norm = Literal["batch", "sw2", "sw3", "sw5"]
STATISTICS: Mapping[str, tuple[str, ...]] = {
    "sw2": ("BW", "IW"),
    "sw3": ("BW", "IW", "LN"),
    "sw5": ("BW", "IW", "BN", "IN", "LN"),
}


class SwitchableWhitening(RunningStatistics):
    """Maps (batch, channels, height, width) whitened by a learnt mixture of statistics, in their own dtype.

    The mixture is whitened by Newton's iteration, in float32 whatever the dtype of the maps. Variances and
    covariances are over n, as BatchNorm's are where it normalises. The batch's mean and covariance are
    averaged for the evaluation.

    Args:
        channels: a multiple of `width`.
        kind: of `STATISTICS`.
        width: channels that are whitened together.
        steps: of Newton's iteration.
        tied: one set of weights for means and covariances.
        eps: added to the diagonal.
        momentum: see `RunningStatistics`.

    Raises:
        ValueError: an unknown kind, or channels that cannot be divided into groups of `width`.
    """

    running_mean: Tensor
    running_covariance: Tensor

    def __init__(
        self,
        channels: int,
        kind: str,
        *,
        width: int = 16,
        steps: int = 5,
        tied: bool = False,
        eps: float = 1e-5,
        momentum: float | None = 0.01,
    ) -> None:
        if kind not in STATISTICS:
            raise ValueError(f"switchable whitening is {', '.join(STATISTICS)}, not {kind!r}")
        if width < 1 or channels % width:
            raise ValueError(f"{channels} channels cannot be divided into groups of {width}")
        groups = channels // width
        super().__init__(
            momentum,
            running_mean=torch.zeros(groups, width),
            running_covariance=torch.eye(width).repeat(groups, 1, 1),
        )
        self.kind = kind
        self.statistics = STATISTICS[kind]
        self.width = width
        self.steps = steps
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.mean_logits = nn.Parameter(torch.ones(len(self.statistics)))
        if not tied:
            self.covariance_logits = nn.Parameter(torch.ones(len(self.statistics)))
        self.tied = tied

    def forward(self, x: Tensor) -> Tensor:
        with full_precision(x.device.type):
            y = (
                at_least_float32(x).unflatten(1, (-1, self.width)).flatten(3)
            )  # (batch, groups, width, pixels)
            mean, covariance = self._mixture(y)
            matrix = inverse_root(covariance, steps=self.steps)
            matrix = self.weight.view(-1, self.width, 1) * matrix
            whitened = matrix @ (y - mean[..., None]) + self.bias.view(-1, self.width, 1)
        result: Tensor = whitened.view(x.shape).to(x.dtype)
        if x.is_contiguous(memory_format=torch.channels_last):
            return result.contiguous(memory_format=torch.channels_last)
        return result

    def weights(self) -> tuple[Tensor, Tensor]:
        """The importance of each statistic for means and for covariances: two (statistics,), of sum 1."""
        logits = self.mean_logits if self.tied else self.covariance_logits
        return self.mean_logits.softmax(0), logits.softmax(0)

    def _mixture(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Means (batch, groups, width) and covariances (batch, groups, width, width) of `y`, mixed."""
        mean = y.mean(-1)  # of each image
        centred = y - mean[..., None]
        covariance = centred @ centred.mT / y.shape[-1]
        if self.training:
            # The total is the variance within the images and that between them: one pass over the pixels.
            batch_mean = mean.mean(0)
            between = mean - batch_mean
            batch_covariance = covariance.mean(0) + torch.einsum("ngi,ngj->gij", between, between) / len(y)
            self.update_averages(running_mean=batch_mean, running_covariance=batch_covariance)
        else:
            batch_mean, batch_covariance = self.running_mean, self.running_covariance
        means = {"BW": batch_mean, "BN": batch_mean, "IW": mean, "IN": mean}
        covariances = {
            "BW": batch_covariance,
            "BN": _diagonal(batch_covariance),
            "IW": covariance,
            "IN": _diagonal(covariance),
        }
        identity = torch.eye(self.width, dtype=y.dtype, device=y.device)
        if "LN" in self.statistics:
            layer_mean = mean.mean((1, 2), keepdim=True)  # (batch, 1, 1)
            variances = covariance.diagonal(dim1=-2, dim2=-1)
            layer_variance = (variances + (mean - layer_mean).square()).mean((1, 2), keepdim=True)
            means["LN"] = layer_mean
            covariances["LN"] = layer_variance[..., None] * identity
        of_means, of_covariances = (each.to(y.dtype).unbind() for each in self.weights())
        mixed_mean = torch.zeros_like(mean)
        mixed = (self.eps * identity).expand_as(covariance)
        for name, a, b in zip(self.statistics, of_means, of_covariances, strict=True):
            mixed_mean = mixed_mean + a * means[name]
            mixed = mixed + b * covariances[name]
        return mixed_mean, mixed

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, {self.kind}, width={self.width}, steps={self.steps}, tied={self.tied}"


def _diagonal(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).diag_embed()


def set_norm(
    network: nn.Module,
    kind: str,
    *,
    width: int,
    steps: int,
    tied: bool,
    momentum: float,
) -> None:
    """Give a torchvision ResNet switchable whitening at the published layers (the authors' code).

    In the stem, and in every second block of the first three stages: after the first convolution of a basic
    block, the second of a bottleneck. All other norms stay. The last stage is left out, where maps are small.

    Raises:
        ValueError: see `SwitchableWhitening`.
    """
    for parent, name in _published_layers(network):
        channels = getattr(parent, name).num_features
        layer = SwitchableWhitening(channels, kind, width=width, steps=steps, tied=tied, momentum=momentum)
        setattr(parent, name, layer)


def _published_layers(network: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    yield network, "bn1"
    for stage in ("layer1", "layer2", "layer3"):
        for block in list(network.get_submodule(stage).children())[1::2]:
            yield block, "bn2" if hasattr(block, "bn3") else "bn1"


@dataclass(frozen=True, slots=True)
class Importance:
    """The weights of one layer: its name in the network, its statistics, and the weight of each."""

    layer: str
    statistics: tuple[str, ...]
    means: tuple[float, ...]
    covariances: tuple[float, ...]


def importance_of(network: nn.Module) -> tuple[Importance, ...]:
    """The weights of all layers of switchable whitening, in network order; waits for the device."""
    found = []
    for name, module in network.named_modules():
        if isinstance(module, SwitchableWhitening):
            means, covariances = (tuple(each.detach().cpu().tolist()) for each in module.weights())
            found.append(Importance(name, module.statistics, means, covariances))
    return tuple(found)
