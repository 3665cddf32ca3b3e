"""Methods: what is trained. `build_method` is the one place that knows which there are."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from wmse_tui.config.methods import Byol, CwRgp, Intl, ShuffledDbn, SimClr, WMse, ZeroCl
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.methods import byol, cw_rgp, intl, shuffled_dbn, simclr, w_mse, zero_cl
from wmse_tui.engine.methods.base import Losses, Method, StepKey
from wmse_tui.engine.models import build_backbone, build_projector

Network = TypeVar("Network", bound=nn.Module)

__all__ = ["Losses", "Method", "StepKey", "build_method", "place"]


def place(network: Network, device: torch.device) -> Network:
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
        encoder = build_backbone(backbone.arch, backbone.stem, experiment.dataset.crop)
        projector = build_projector(
            encoder.feature_dim,
            layers=head.layers,
            hidden=head.hidden,
            dim=head.dim,
            batch_norm=head.batch_norm,
        )
        match experiment.method:
            case WMse() as options:
                return w_mse.build(options, encoder, projector)
            case SimClr() as options:
                return simclr.build(options, encoder, projector, head.dim)
            case Byol() as options:
                return byol.build(options, encoder, projector, head.dim)
            case CwRgp() as options:
                return cw_rgp.build(options, encoder, projector)
            case Intl() as options:
                return intl.build(options, encoder, projector)
            case ShuffledDbn() as options:
                return shuffled_dbn.build(options, encoder, projector)
            case ZeroCl() as options:
                return zero_cl.build(options, encoder, projector)
