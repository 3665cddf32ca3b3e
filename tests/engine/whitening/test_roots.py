"""Eigenvalues of many matrices on a GPU: in one batch, on the CPU where torch would take them one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from wmse_tui.engine.whitening import roots


class Decompositions(TorchDispatchMode):
    """The devices of the matrices that are decomposed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.devices: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "linalg_eigh" in func.name():
            self.devices.append(args[0].device.type)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("batched", "shape", "device"),
    [
        (True, (2, 64, 8, 8), "cuda"),
        (False, (2, 64, 8, 8), "cpu"),
        (False, (1, 8, 8), "cuda"),
        (False, (8, 8), "cuda"),
    ],
)
def test_where_eigenvalues_are_computed(
    batched: bool, shape: tuple[int, ...], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roots, "BATCHED_EIGH", batched)
    with FakeTensorMode(), Decompositions() as decompositions:
        values, vectors = roots.eigh(torch.empty(shape, device="cuda:0"))
    assert decompositions.devices == [device]
    assert (values.device.type, values.shape) == ("cuda", shape[:-1])
    assert (vectors.device.type, vectors.shape) == ("cuda", shape)
