"""The distance between the views of an image, with the gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_SHORTEST = 1e-12  # a shorter vector is divided by this: as torch.nn.functional.normalize


class ViewDistance(torch.autograd.Function):
    """(z (views, ..., dim), normalize) -> the mean squared distance of all pairs of views, a scalar.

    Unit vectors u = z / |z| where `normalize`, else u = z. The pairs are never formed: with the mean view ū

        Σ_{i<j} |u_i - u_j|² = views · Σ_i |u_i - ū|²,

    and there are views (views - 1) / 2 pairs. It is averaged over all axes between the first axis and
    the last, and without `normalize` over the dimensions too.

    Backward: let k be twice the factor of Σ |u_i - ū|². As Σ_i (u_i - ū) = 0, nothing comes by way of ū: the
    gradient of u_i is k (u_i - ū) =: k d_i, and of z_i it is k (d_i - u_i ⟨u_i, d_i⟩) / |z_i|. Fewer passes
    over the embeddings than automatic differentiation makes; `wmse-tui bench` measures the whole.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, normalize: bool) -> Tensor:
        ctx.normalize = normalize
        if normalize:
            length = torch.linalg.vector_norm(z, dim=-1, keepdim=True).clamp_min(_SHORTEST)
            z = z / length
        apart = z - z.mean(0)
        rows = z[0, ..., 0].numel() if normalize else z[0].numel()
        ctx.factor = 2 / ((len(z) - 1) * rows)
        ctx.save_for_backward(apart, *((z, length) if normalize else ()))
        flat = apart.flatten()
        total: Tensor = torch.dot(flat, flat) * ctx.factor
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        apart, *unit = ctx.saved_tensors
        factor = 2 * ctx.factor * gradients[0]
        if not ctx.normalize:
            return apart * factor, None
        z, length = unit
        along = (z * apart).sum(-1, keepdim=True)
        return torch.addcmul(apart, z, along, value=-1).mul_(factor / length), None
