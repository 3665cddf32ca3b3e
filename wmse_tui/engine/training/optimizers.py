"""The optimisers: plain torch ones in their fused form, with a switch that skips a non-finite step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from wmse_tui.config.sections.optimizer import Optimizer

FUSED = True
"""One kernel for all parameters instead of a dozen per step; torch has it on CPU and CUDA."""


def build_optimizer(parameters: Iterable[nn.Parameter], config: Optimizer) -> torch.optim.Optimizer:
    """The optimiser that `config.name` asks for.

    `adam` couples weight decay into the gradient (L2, as the paper's recipe does); `adamw` decouples it.
    """
    parameters = list(parameters)
    if config.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.nesterov,
            fused=FUSED,
        )
    kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
    return kind(
        parameters,
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=FUSED,
    )


def step_unless_nonfinite(optimizer: torch.optim.Optimizer, loss: Tensor, *, lr: float) -> None:
    """Update the parameters at `lr`, unless `loss` or one before it was not finite: then nothing moves.

    The decision is taken on the device: torch's fused kernels read `found_inf`, so the host does not
    wait. A bad step is known to the host some steps later; until then the next batch may well have a finite
    loss, so the mark stays: the weights are those before the bad step, for the diagnosis and the person.
    """
    for group in optimizer.param_groups:
        group["lr"] = lr
    bad = (~torch.isfinite(loss.detach())).float()
    before = getattr(optimizer, "found_inf", None)
    optimizer.found_inf = bad if before is None else torch.maximum(before, bad)  # type: ignore[attr-defined]
    optimizer.grad_scale = None  # type: ignore[attr-defined]
    optimizer.step()
