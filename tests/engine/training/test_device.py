"""The device is the requested one, or the error explains why it cannot be."""

from __future__ import annotations

import pytest
import torch

from wmse_tui.engine.doctor import Cuda
from wmse_tui.engine.errors import DeviceError
from wmse_tui.engine.training import device as device_module
from wmse_tui.engine.training.device import choose_device


def with_verdict(monkeypatch: pytest.MonkeyPatch, verdict: Cuda) -> None:
    monkeypatch.setattr(device_module, "explain", lambda evidence: verdict)


def without_cuda(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    with_verdict(monkeypatch, Cuda(usable=False, reason="no_driver", text=reason, fix="load the driver"))


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    with_verdict(monkeypatch, Cuda(usable=True, reason="ok", text="CUDA"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU number {index}")


def test_cpu_is_the_cpu() -> None:
    assert choose_device("cpu").torch == torch.device("cpu")


def test_auto_without_a_gpu_is_the_cpu_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch, "no driver")
    chosen = choose_device("auto")
    assert (chosen.torch.type, chosen.reason) == ("cpu", "no driver")


def test_auto_with_gpus_uses_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 2)
    assert choose_device("auto").torch == torch.device("cuda", 0)
    assert choose_device("cuda:1").name == "GPU number 1"


def test_cuda_without_a_gpu_is_an_error_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch, "no driver")
    with pytest.raises(DeviceError, match=r"compute.device=cuda cannot be used: no driver") as caught:
        choose_device("cuda")
    assert caught.value.next[0] == "load the driver"
    assert any("compute.device=cpu" in step for step in caught.value.next)


def test_a_gpu_that_is_not_there_is_an_error_with_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 2)
    with pytest.raises(DeviceError, match=r"compute.device=cuda:5 does not exist: 2 visible GPUs") as caught:
        choose_device("cuda:5")
    assert caught.value.next[0] == "use one of cuda:0, cuda:1"
