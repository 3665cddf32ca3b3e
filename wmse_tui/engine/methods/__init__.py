"""Methods: what is trained. Each is a class named as that of its options, in the module of its own name."""

from __future__ import annotations

from importlib import import_module
from typing import TypeVar

import torch
from torch import nn

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.methods.base import Losses, Method, StepKey
from wmse_tui.engine.models import build_projector
from wmse_tui.engine.models.encoder import build_encoder

Network = TypeVar("Network", bound=nn.Module)

__all__ = ["Losses", "Method", "StepKey", "build_method", "move_to_device"]


def move_to_device(network: Network, device: torch.device) -> Network:
    """Put a network on the device that trains it, its convolutions in the layout that is fastest there.

    With weights in channels_last (a pixel's channels beside each other) every activation is too. It is the
    layout of the kernels of oneDNN and of tensor cores, which else reorder each operand. Values stay as they
    were; sums run in another order.
    """
    return network.to(device).to(memory_format=torch.channels_last)


def build_method(experiment: Experiment) -> Method:
    """The networks and the loss of an experiment, on the CPU, in training mode.

    Weights are drawn from `experiment.seed` alone; torch's own generator is left as it was.
    """
    backbone, head = experiment.backbone, experiment.projector
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(experiment.seed)
        encoder = build_encoder(backbone, experiment.dataset.crop)
        projector = build_projector(
            encoder.feature_dim,
            layers=head.layers,
            hidden=head.hidden,
            dim=head.dim,
            batch_norm=head.batch_norm,
        )
        options = experiment.method
        module = import_module(f"{__name__}.{options.name}")
        method: Method = getattr(module, type(options).__name__)(encoder, projector, options)
    method.views_together = backbone.views == "together"
    return method
