"""The device is the requested one, or the error explains why it cannot be."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.distribution.other_ranks import (
    device_of_launched,
    device_of_rank,
    require_devices,
    require_own_cards,
)
from wmse_tui.engine.distribution.roster import Member
from wmse_tui.engine.doctor import Cuda
from wmse_tui.engine.errors import DeviceError
from wmse_tui.engine.training import device as device_module
from wmse_tui.engine.training.device import choose_device, faster_options, require_precision
from wmse_tui.runs.process.identity import host, identify
from wmse_tui.runs.process.rank_launcher import Launched


def with_verdict(monkeypatch: pytest.MonkeyPatch, verdict: Cuda) -> None:
    monkeypatch.setattr(device_module, "judge_cuda", lambda evidence: verdict)


def without_cuda(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    with_verdict(monkeypatch, Cuda(usable=False, reason="no_driver", text=reason, fix="load the driver"))


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int, capability: tuple[int, int] = (9, 0)) -> None:
    with_verdict(monkeypatch, Cuda(usable=True, reason="ok", text="CUDA"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU number {index}")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)


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


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ("3", "compute.devices=3 needs 3 GPUs: 2 visible GPUs, counted from 0"),
        ("[1, 2]", "compute.devices=[1, 2] names a GPU that does not exist: 2 visible GPUs, counted from 0"),
        ("auto", ""),
        ("2", ""),
        ("[1]", ""),
    ],
)
def test_gpus_that_are_not_there_are_refused(
    devices: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpus(monkeypatch, 2)
    options = ("schedule.batch_size=384", f"compute.devices={devices}")
    compute = load_experiment(overrides=options).compute
    require_devices(torch.device("cpu"), compute)
    if not message:
        require_devices(torch.device("cuda", 0), compute)
        return
    with pytest.raises(DeviceError, match=re.escape(message)):
        require_devices(torch.device("cuda", 0), compute)


def test_each_rank_has_its_card() -> None:
    gpu, cpu = torch.device("cuda", 0), torch.device("cpu")
    assert [str(device_of_rank(gpu, rank)) for rank in range(2)] == ["cuda:0", "cuda:1"]
    assert [str(device_of_rank(gpu, rank, (3, 1))) for rank in range(2)] == ["cuda:3", "cuda:1"]
    assert device_of_rank(cpu, 1) == cpu


def test_a_launched_rank_uses_its_card_of_those_it_sees_or_the_only_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, third = torch.device("cuda", 0), Launched("srun", 6, 8, 2, one_machine=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert str(device_of_launched(gpu, third)) == "cuda:2"
    assert device_of_launched(torch.device("cpu"), third) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # srun --gpus-per-task=1
    assert str(device_of_launched(gpu, third)) == "cuda:0"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match="srun has started more ranks on this machine than it") as caught:
        device_of_launched(gpu, third)
    assert caught.value.detail == f"rank 6 is number 3 on {host()}, where 2 GPUs are visible"


def test_ranks_that_share_a_card_are_refused() -> None:
    def member(node: str, card: str) -> Member:
        process = identify()
        assert process is not None
        return Member(replace(process, host=node), "cuda:0", card)

    require_own_cards([member("a", "one"), member("a", "two"), member("b", "one"), member("b", "two")])
    require_own_cards([member("a", "")] * 2)
    with pytest.raises(DeviceError, match="ranks 1 and 2 have the same GPU") as caught:
        require_own_cards([member("a", "one"), member("b", "two"), member("b", "two")])
    assert caught.value.detail == "two of b"
    assert "srun --ntasks-per-node=N --gpus-per-node=N" in caught.value.next[0]


@pytest.mark.parametrize("reason", ["driver_too_old", "no_driver", "cpu_build", "unknown"])
def test_a_gpu_that_auto_cannot_use_is_a_warning_with_the_remedy(
    reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_verdict(monkeypatch, Cuda(usable=False, reason=reason, text="it does not work", fix="Mend it."))
    chosen = choose_device("auto")
    assert chosen.torch.type == "cpu"
    warning = "this machine has a GPU, and training uses the CPU: it does not work. Mend it."
    assert chosen.warning == warning
    assert choose_device("cpu").warning == ""


@pytest.mark.parametrize("reason", ["no_card", "hidden"])
def test_a_machine_without_a_gpu_for_us_is_no_warning(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_verdict(monkeypatch, Cuda(usable=False, reason=reason, text="none", fix="pass it in"))
    assert choose_device("auto").warning == ""


@pytest.mark.parametrize(("capability", "allowed"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bfloat16_needs_a_gpu_that_has_it(
    capability: tuple[int, int], allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    require_precision("float32", gpu)
    require_precision("bfloat16", torch.device("cpu"))
    if allowed:
        require_precision("bfloat16", gpu)
        return
    with pytest.raises(DeviceError, match=r"Tesla T4 has compute capability 7.5, bfloat16 begins") as caught:
        require_precision("bfloat16", gpu)
    assert caught.value.next[0] == "a new run with --set compute.precision=float32"


@pytest.mark.parametrize(
    ("overrides", "capability", "settings"),
    [
        ((), (9, 0), ["compute.precision=bfloat16", "compute.compile=graph"]),
        (("compute.precision=bfloat16",), (8, 0), ["compute.compile=graph"]),
        (("compute.compile=graph",), (8, 0), ["compute.precision=bfloat16"]),
        (("compute={precision: bfloat16, compile: graph}",), (9, 0), []),
        (("method.operator=pca",), (9, 0), ["compute.precision=bfloat16"]),  # its steps cannot be recorded
        (("method.operator=zca",), (9, 0), ["compute.precision=bfloat16", "compute.compile=graph"]),
        ((), (7, 5), []),
    ],
)
def test_a_gpu_with_bfloat16_has_advice_on_faster_options(
    overrides: tuple[str, ...],
    capability: tuple[int, int],
    settings: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_gpus(monkeypatch, 1, capability)
    text = faster_options(load_experiment(preset="cifar10", overrides=overrides), choose_device("auto"))
    assert re.findall(r"--set (\S+?):? ", text) == settings
    assert ("not yet run on a GPU" in text) == bool(settings)
    assert ("at twice the rate of TF32" in text) == ("compute.precision=bfloat16" in settings)
    assert ("one launch instead of hundreds" in text) == ("compute.compile=graph" in settings)


def test_a_cpu_has_no_advice_on_faster_options() -> None:
    assert faster_options(load_experiment(preset="cifar10"), choose_device("cpu")) == ""
