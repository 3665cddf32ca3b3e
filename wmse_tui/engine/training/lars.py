"""LARS: gradient descent with momentum whose steps are in proportion to the weights that they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class LarsOptimizer(torch.optim.SGD):
    """Layer-wise adaptive rate scaling (You, Gitman, Ginsburg 2017, arXiv 1708.03888).

    Of each weight w with gradient g, in groups with a `trust` coefficient:

        λ = trust · |w| / (|g| + decay · |w|)       (1 where w or g is 0)
        m ← momentum · m + λ (g + decay · w),       w ← w - lr · m

    With `clip`, min(1, λ / lr) replaces λ: lr is a cap then, and a step is never longer than that
    of plain gradient descent. Groups whose `trust` is None are stepped without adaptation and without decay,
    as biases and BatchNorm are wherever LARS is used.

    The adaptation scales the gradients in place; the rest is torch's own SGD, whose fused kernel reads
    `found_inf` and whose state resumes as that of any other.

    Args:
        groups: each with "params" and "trust".
        lr, momentum: as of SGD.
        decay: weight decay of the adapted groups.
        clip: see above.
        fused: as of SGD.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float,
        decay: float,
        clip: bool,
        fused: bool,
    ) -> None:
        super().__init__(groups, lr=lr, momentum=momentum, fused=fused)
        self._decay = decay
        self._clip = clip

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Adapt the gradients, then step; never synchronises with the device."""
        assert closure is None, "the loss is computed by the loop"
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if group["trust"] is not None and weights:
                self._adapt(weights, group["trust"], group["lr"])
        return super().step()

    def _adapt(self, weights: list[Tensor], trust: float, lr: float | Tensor) -> None:
        """Scale the gradients of `weights`, all at once: a GPU computes less long than its launches last."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        size, slope = _norms(weights), _norms(gradients)
        local = trust * size / (slope + self._decay * size)
        if self._clip:
            local = (local / (lr.to(local.dtype) if isinstance(lr, Tensor) else lr)).clamp(max=1)
        local = torch.where((size > 0) & (slope > 0), local, 1.0)
        torch._foreach_add_(gradients, weights, alpha=self._decay)
        torch._foreach_mul_(gradients, local.unbind())


def _norms(tensors: list[Tensor]) -> Tensor:
    return torch.stack(torch._foreach_norm(tensors))  # noqa: SLF001  as torch's clip_grad_norm_ uses it
