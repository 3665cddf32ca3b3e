"""The optimisers: those of torch in their fused form, with a flag that skips a non-finite step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from wmse_tui.config.sections.optimizer import Optimizer
from wmse_tui.engine.training.lars import LarsOptimizer

FUSED = True
"""One kernel for all parameters instead of a dozen per step; torch has it on CPU and CUDA."""


def build_optimizer(
    parameters: Iterable[nn.Parameter], config: Optimizer, *, unscheduled: Iterable[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The optimiser that `config.name` names.

    `adam` couples weight decay into the gradient (L2, as the paper's recipe does); `adamw` decouples it.
    `lars` adapts matrices and convolutions; biases and BatchNorm (what has one axis) are a group of their
    own, without adaptation and decay.

    Args:
        unscheduled: those of `parameters` that are stepped at `config.lr` all the time.
    """
    groups = _groups(parameters, config, {id(parameter) for parameter in unscheduled})
    if config.name == "lars":
        return LarsOptimizer(
            groups,
            lr=config.lr,
            momentum=config.momentum,
            decay=config.weight_decay,
            clip=config.clip,
            fused=FUSED,
        )
    if config.name == "sgd":
        return torch.optim.SGD(
            groups,
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.nesterov,
            fused=FUSED,
        )
    kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
    return kind(
        groups,
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=FUSED,
    )


def _groups(
    parameters: Iterable[nn.Parameter], config: Optimizer, unscheduled: set[int]
) -> list[dict[str, Any]]:
    """Parameters grouped by how they are stepped, each group in the order given."""
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for parameter in parameters:
        scheduled, matrix = id(parameter) not in unscheduled, parameter.ndim > 1
        if config.name != "lars":
            kind: dict[str, Any] = {"scale": 1.0}
        elif matrix:
            kind = {"scale": 1.0, "trust": config.trust}
        else:
            kind = {"scale": 1.0 if config.bias_lr is None else config.bias_lr / config.lr, "trust": None}
        group = groups.setdefault(
            (scheduled, matrix and config.name == "lars"),
            {"params": [], "lr": config.lr * kind["scale"], "scheduled": scheduled, **kind},
        )
        group["params"].append(parameter)
    return list(groups.values())


def set_rates(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of the next step: unscheduled parameters keep their own; a group's `scale` is a
    factor on `lr`.
    """
    for group in optimizer.param_groups:
        if group.get("scheduled", True):  # checkpoints of earlier versions have groups without the key
            group["lr"] = lr * group.get("scale", 1.0)


def step_unless_nonfinite(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Update the parameters, unless `loss` or one before it was not finite: then nothing moves.

    The decision is made on the device: torch's fused kernels read `found_inf`, so nothing synchronises. The
    host learns of a bad step some steps later; the next batch may well have a finite loss until then, so the
    flag stays set: the weights are those before the bad step, for the diagnosis and the checkpoint.
    """
    flag = getattr(optimizer, "found_inf", None)
    if flag is None:
        flag = torch.zeros_like(loss, dtype=torch.float32)
        optimizer.found_inf = flag  # type: ignore[attr-defined]
        optimizer.grad_scale = None  # type: ignore[attr-defined]
    nothing = loss.detach() * 0  # NaN, and nothing else, differs from itself
    flag.masked_fill_(nothing != nothing, 1.0)  # in place: a CUDA graph reads this memory
    optimizer.step()
