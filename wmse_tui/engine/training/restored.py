"""Trying a method without a trace: what a step changes is put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from wmse_tui.engine.methods import Method


@contextmanager
def restored(method: Method, device: torch.device) -> Iterator[None]:
    """Within this block a method may be trained; weights, buffers, gradients and generators then go back."""
    before = {name: tensor.detach().cpu().clone() for name, tensor in method.state_dict().items()}
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        try:
            yield
            if cuda:
                torch.cuda.synchronize(device)  # an error of the device is told here
        finally:
            method.zero_grad(set_to_none=True)
            method.load_state_dict(before)
