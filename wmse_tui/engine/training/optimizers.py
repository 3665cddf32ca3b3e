"""The optimisers: plain torch ones in their fused form, with a switch that skips a non-finite step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from wmse_tui.config.sections.optimizer import Optimizer
from wmse_tui.engine.training.lars import Lars

FUSED = True
"""One kernel for all parameters instead of a dozen per step; torch has it on CPU and CUDA."""


def build_optimizer(
    parameters: Iterable[nn.Parameter], config: Optimizer, *, unscheduled: Iterable[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The optimiser that `config.name` asks for.

    `adam` couples weight decay into the gradient (L2, as the paper's recipe does); `adamw` decouples it.
    `lars` adapts matrices and convolutions; biases and BatchNorm (what has one axis) are a group of their
    own, without adaptation and decay.

    Args:
        unscheduled: those of `parameters` that are stepped at `config.lr` all the time.
    """
    groups = _groups(parameters, config, {id(parameter) for parameter in unscheduled})
    if config.name == "lars":
        return Lars(
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


def _groups(parameters: Iterable[nn.Parameter], config: Optimizer, held: set[int]) -> list[dict[str, Any]]:
    """Parameters apart by how they are stepped, each group in the order given."""
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for parameter in parameters:
        scheduled, matrix = id(parameter) not in held, parameter.ndim > 1
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
    """Let the next step be at `lr`: unscheduled parameters keep their own rate, and those with a scale take
    so much of it.
    """
    for group in optimizer.param_groups:
        if group.get("scheduled", True):  # a checkpoint of an earlier version brings groups without the key
            group["lr"] = lr * group.get("scale", 1.0)


def step_unless_nonfinite(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Update the parameters, unless `loss` or one before it was not finite: then nothing moves.

    The decision is taken on the device: torch's fused kernels read `found_inf`, so the host does not
    wait. A bad step is known to the host some steps later; until then the next batch may well have a finite
    loss, so the mark stays: the weights are those before the bad step, for the diagnosis and the person.
    """
    bad = (~torch.isfinite(loss.detach())).float()
    mark = getattr(optimizer, "found_inf", None)
    if mark is None:
        optimizer.found_inf = bad  # type: ignore[attr-defined]
        optimizer.grad_scale = None  # type: ignore[attr-defined]
    else:
        torch.maximum(mark, bad, out=mark)  # in its place, where a CUDA graph looks for it
    optimizer.step()
