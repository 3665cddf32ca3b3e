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
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wmse_tui.engine.distribution.gather import gather
from wmse_tui.engine.models.joint_calls import use_norms_of_calls
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

    Attributes:
        calls: see `JointlyCalled`.

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
        self.calls = 1

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return self._formula(x)
        with full_precision(x.device.type):
            y = cast("Tensor", PixelsOfMaps.apply(x, self.calls, self.width))
            own_mean, own_covariance, centred = ImageStatistics.apply(y)
            mean, covariance = self._mixture(own_mean, own_covariance)
            matrix = self.weight.view(-1, 1, self.width, 1) * inverse_root(covariance, steps=self.steps)
            bias = self.bias.view(-1, 1, self.width)
            return cast("Tensor", Whitened.apply(x, y, centred, own_mean.detach(), matrix, mean, bias))

    def _formula(self, x: Tensor) -> Tensor:
        """The evaluation as the formula reads, in the operations that exported graphs have."""
        with full_precision(x.device.type):
            y = at_least_float32(x).unflatten(1, (-1, self.width)).flatten(3)
            own_mean = y.mean(-1)  # (batch, groups, width)
            centred = y - own_mean[..., None]
            own_covariance = centred @ centred.mT / y.shape[-1]
            means, covariances = self._statistics(
                own_mean.transpose(0, 1)[None], own_covariance.transpose(0, 1)[None]
            )
            of_means, of_covariances = (each.to(y.dtype).unbind() for each in self.weights())
            mean = torch.zeros_like(own_mean.transpose(0, 1)[None])
            for weight, statistic in zip(of_means, means, strict=True):
                mean = mean + weight * statistic
            covariance = self.eps * torch.eye(self.width, dtype=y.dtype, device=y.device)
            for weight, statistic in zip(of_covariances, covariances, strict=True):
                covariance = covariance + weight * statistic
            trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
            root = torch.eye(self.width, dtype=y.dtype, device=y.device)
            for _ in range(self.steps):  # of Newton's iteration, as `inverse_root`
                root = 1.5 * root - 0.5 * root @ root @ root @ (covariance / trace)
            matrix = self.weight.view(-1, 1, self.width, 1) * root / trace.sqrt()
            away = y - mean[0].transpose(0, 1)[..., None]
            whitened = matrix[0].transpose(0, 1) @ away + self.bias.view(-1, self.width, 1)
            result: Tensor = whitened.reshape(x.shape).to(x.dtype)
            return result

    def weights(self) -> tuple[Tensor, Tensor]:
        """The importance of each statistic for means and for covariances: two (statistics,), of sum 1."""
        logits = self.mean_logits if self.tied else self.covariance_logits
        return self.mean_logits.softmax(0), logits.softmax(0)

    def _mixture(self, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the means (calls, groups, batch, width) and covariances (..., width, width) of the images."""
        means, covariances = self._statistics(mean, covariance)
        of_means, of_covariances = (each.to(mean.dtype) for each in self.weights())
        mixed_mean = Mixture.apply(of_means, 0.0, mean.shape, *means)
        mixed = Mixture.apply(of_covariances, self.eps, covariance.shape, *covariances)
        return mixed_mean, mixed

    def _statistics(self, mean: Tensor, covariance: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The means and covariances that are mixed, in the order of `statistics`; arguments as `_mixture`."""
        if self.training:
            batch_mean, batch_covariance = BatchStatistics.apply(gather(mean, 2), gather(covariance, 2))
            for of_mean, of_covariance in zip(
                batch_mean.squeeze(2), batch_covariance.squeeze(2), strict=True
            ):
                self.update_averages(running_mean=of_mean, running_covariance=of_covariance)
        else:
            batch_mean, batch_covariance = self.running_mean[:, None], self.running_covariance[:, None]
        means = {"BW": batch_mean, "BN": batch_mean, "IW": mean, "IN": mean}
        covariances = {"BW": batch_covariance, "IW": covariance}
        if "BN" in self.statistics:
            covariances |= {"BN": _diagonal(batch_covariance), "IN": _diagonal(covariance)}
        if "LN" in self.statistics:
            layer_mean = mean.mean((1, 3), keepdim=True)  # (calls, 1, batch, 1)
            variances = covariance.diagonal(dim1=-2, dim2=-1)
            layer_variance = (variances + (mean - layer_mean).square()).mean((1, 3), keepdim=True)
            identity = torch.eye(self.width, dtype=mean.dtype, device=mean.device)
            means["LN"] = layer_mean
            covariances["LN"] = layer_variance[..., None] * identity
        return [means[name] for name in self.statistics], [covariances[name] for name in self.statistics]

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, {self.kind}, width={self.width}, steps={self.steps}, tied={self.tied}"


def _diagonal(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).diag_embed()


def _grouped(maps: Tensor, calls: int, width: int) -> Tensor:
    """Maps (calls * batch, channels, height, width) seen as (calls, groups, batch, width, height, width)."""
    return maps.view(calls, -1, maps.shape[1] // width, width, *maps.shape[2:]).transpose(1, 2)


def _pixels(maps: Tensor, calls: int, width: int) -> Tensor:
    """Maps in float32 or better, contiguous (calls, groups, batch, width, pixels), in one copy."""
    grouped = _grouped(maps, calls, width)
    dtype = torch.promote_types(maps.dtype, torch.float32)
    return grouped.to(dtype, memory_format=torch.contiguous_format, copy=True).flatten(-2)


class PixelsOfMaps(torch.autograd.Function):
    """(maps, calls, width) -> as `_pixels`."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, calls: int, width: int) -> Tensor:
        last = maps.is_contiguous(memory_format=torch.channels_last)
        ctx.layout = torch.channels_last if last else torch.contiguous_format
        ctx.shape, ctx.dtype, ctx.calls, ctx.width = maps.shape, maps.dtype, calls, width
        return _pixels(maps, calls, width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        device = gradients[0].device
        result = torch.empty(ctx.shape, dtype=ctx.dtype, device=device, memory_format=ctx.layout)
        place = _grouped(result, ctx.calls, ctx.width)
        place.copy_(gradients[0].view(place.shape))
        return result, None, None


class ImageStatistics(torch.autograd.Function):
    """y (..., width, pixels) -> means (..., width), covariances (..., width, width), and y less its means.

    The last has no gradient of its own: `Whitened` returns that of y.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = y.mean(-1)
        centred = y - mean[..., None]
        rows = centred.flatten(0, -3)
        covariance = torch.baddbmm(y.new_empty(1, 1, 1), rows, rows.mT, beta=0, alpha=1 / y.shape[-1]).view(
            *mean.shape, -1
        )
        ctx.save_for_backward(centred)
        ctx.mark_non_differentiable(centred)
        ctx.set_materialize_grads(False)
        return mean, covariance, centred

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (centred,) = ctx.saved_tensors
        of_mean, of_covariance, _ = gradients  # both are there: all statistics are in the mixtures
        share = 1 / centred.shape[-1]
        with full_precision(centred.device.type):
            result = torch.baddbmm(
                of_mean.reshape(-1, of_mean.shape[-1], 1),
                (of_covariance + of_covariance.mT).flatten(0, -3),
                centred.flatten(0, -3),
                beta=share,
                alpha=share,
            )
        return result.view(centred.shape)


class BatchStatistics(torch.autograd.Function):
    """Means and covariances (calls, groups, batch, ...) of images -> (calls, groups, 1, ...) of the batches.

    The covariance of a batch is the mean of those within the images, and that between their means.
    """

    @staticmethod
    def forward(ctx: Any, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        batch_mean = mean.mean(2, keepdim=True)
        between = (mean - batch_mean).flatten(0, 1)
        total = covariance.mean(2).flatten(0, 1)
        total.baddbmm_(between.mT, between, alpha=1 / mean.shape[2])
        ctx.save_for_backward(between)
        return batch_mean, total.view(*batch_mean.shape, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (between,) = ctx.saved_tensors
        of_mean, of_covariance = gradients
        share = 1 / between.shape[1]
        with full_precision(between.device.type):
            result = torch.baddbmm(
                of_mean.flatten(0, 1),
                between,
                (of_covariance + of_covariance.mT).flatten(0, 2),
                beta=share,
                alpha=share,
            )
        spread = (of_covariance * share).expand(-1, -1, between.shape[1], -1, -1)
        return result.view(*of_mean.shape[:2], -1, of_mean.shape[-1]), spread


class Mixture(torch.autograd.Function):
    """(weights (n,), eps, shape, *statistics) -> Σ weight · statistic, of `shape`, with eps on the diagonal.

    Each of the n statistics has the last axes of the `shape`, and 1 or the same for each before them.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, eps: float, shape: torch.Size, *statistics: Tensor) -> Tensor:
        mixed = statistics[0] * weights[0]
        for weight, statistic in zip(weights[1:], statistics[1:], strict=True):
            mixed = torch.addcmul(mixed, statistic, weight)
        mixed = mixed.expand(shape).contiguous()
        if eps:
            mixed.diagonal(dim1=-2, dim2=-1).add_(eps)
        ctx.save_for_backward(weights, *statistics)
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weights, *statistics = ctx.saved_tensors
        of_weights, of_statistics = torch.empty_like(weights), []
        for weight, statistic, of_weight in zip(weights, statistics, of_weights, strict=True):
            along = gradients[0].sum_to_size(statistic.shape)
            torch.dot(along.flatten(), statistic.flatten(), out=of_weight)
            of_statistics.append(along * weight)
        return of_weights, None, None, *of_statistics


class Whitened(torch.autograd.Function):
    """(maps x, pixels y, y less `own`, own, matrix, mean, bias) -> matrix (y - mean) + bias, as maps like x.

    Computed of the centred pixels, to which matrix (own - mean) + bias is added; x gives the layout, and y
    receives the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        centred: Tensor,
        own: Tensor,
        matrix: Tensor,
        mean: Tensor,
        bias: Tensor,
    ) -> Tensor:
        size, width = x.shape, y.shape[-2]
        away = (own - mean).view(-1, width, 1)
        matrices = matrix.view(-1, width, width)
        shift = torch.baddbmm(bias.expand(mean.shape).reshape(-1, width, 1), matrices, away)
        product = torch.bmm(matrices, centred.view(len(matrices), width, -1))
        result = torch.empty_like(x)
        place = _grouped(result, len(y), width)
        torch.add(product.view(place.shape), shift.view(*mean.shape, 1, 1), out=place)
        ctx.save_for_backward(centred, away, matrices)
        ctx.shapes = (size, matrix.shape, mean.shape)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        centred, away, matrices = ctx.saved_tensors
        _, of_matrix, of_mean = ctx.shapes
        width = centred.shape[-2]
        with full_precision(centred.device.type):
            along = _pixels(gradients[0], len(centred), width).flatten(0, 2)
            summed = along.sum(-1, keepdim=True)
            gradient = torch.bmm(along, centred.flatten(0, 2).mT).baddbmm_(summed, away.mT)
            back = matrices.mT
            lost = torch.baddbmm(summed, back, summed, beta=0, alpha=-1)
            return (
                None,
                torch.bmm(back, along).view(centred.shape),
                None,
                None,
                gradient.view(of_matrix),
                lost.view(of_mean),
                summed.view(of_mean).sum((0, 2))[:, None],
            )


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
    use_norms_of_calls(network)
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
