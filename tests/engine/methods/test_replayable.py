"""What a GPU could not replay: the losses of every method, run on tensors that claim to be on one.

They are torch's fake tensors, which have a device and no data, so no GPU is needed. The gradients are not
run: for them torch needs the device itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.recording import CudaGraphs

OPTIONS = {
    "{name: barlow_twins}": set(),
    "{name: byol, predictor_hidden: 16}": set(),
    "{name: cw_rgp, whitening_size: 2, groups: 2}": set(),
    "{name: intl}": set(),
    "{name: s2r2}": set(),
    "{name: shuffled_dbn, groups: 2}": set(),
    "{name: simclr}": set(),
    "{name: simsiam}": set(),
    "{name: vibcreg}": set(),
    "{name: vicreg}": set(),
    "{name: w_mse, whitening_size: 16}": set(),
    "{name: w_mse, whitening_size: 16, operator: iterative}": set(),
    "{name: w_mse, whitening_size: 16, operator: zca}": set(),
    "{name: w_mse, whitening_size: 16, operator: pca}": {"_linalg_eigh"},
    "{name: zero_cl}": set(),
}


class Audit(TorchDispatchMode):
    """Operations that wait for the GPU, and those that copy between it and the host."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: set[str] = set()
        self.copies: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        devices = {tensor.device.type for tensor in tensors((args, kwargs, result)) if tensor.ndim}
        if len(devices) > 1:
            self.copies.add(func.name())
        if func.name() in CudaGraphs.SYNCHRONISING and "cuda" in devices:
            self.waits.add(func.name().removeprefix("aten::"))
        return result


def tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors(one)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


@pytest.mark.parametrize("method", OPTIONS)
def test_losses_ask_nothing_of_the_device_and_send_nothing(method: str) -> None:
    sizes = ("dataset.crop=16", "projector.hidden=16", "projector.dim=8", "schedule.batch_size=16")
    experiment = load_experiment(preset="quickstart", overrides=(*sizes, f"method={method}"))
    with torch.device("meta"):
        built = build_method(experiment)
    with FakeTensorMode(allow_non_fake_inputs=True):
        built.to_empty(device="cuda:0")
        drawn = {
            name: torch.empty_like(choice, device="cuda:0")
            for name, choice in built.draw(2, 16, step_key=(0, 1)).items()
        }
        views = torch.empty(2, 16, 3, 16, 16, device="cuda:0")
        with Audit() as audit:
            built.losses(views, drawn)
    assert audit.copies == set()
    assert audit.waits == OPTIONS[method]
