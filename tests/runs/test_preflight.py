"""What is known of a run's device before anything is created."""

from __future__ import annotations

import pytest

from wmse_tui.config.loading import load_experiment
from wmse_tui.runs.preflight import cpu_forecast, device_advice


@pytest.mark.parametrize(
    ("preset", "device", "gpus", "text"),
    [
        ("quickstart", "auto", 0, ""),
        ("quickstart", "cpu", 2, ""),
        ("quickstart", "cuda", 0, "NVML reports no GPU on this machine; the run would fail"),
        (
            "quickstart",
            "cuda:1",
            1,
            "NVML reports 1 GPU (numbered from 0) on this machine; the run would fail",
        ),
        ("quickstart", "cuda:1", 2, ""),
        ("cifar10", "auto", 1, ""),
        ("cifar10", "auto", 0, "no GPU is visible, and on the CPU"),
        ("cifar10", "cpu", 1, "on the CPU"),
    ],
)
def test_a_device_that_is_missing_or_takes_months_is_named(
    preset: str, device: str, gpus: int, text: str
) -> None:
    experiment = load_experiment(preset=preset, overrides=[f"compute.device={device}"])
    found = device_advice(experiment, gpus=gpus)
    assert [advice.text.startswith(text) for advice in found] == ([True] if text else [])
    fixes = [advice.fix for advice in found if "would fail" in advice.text]
    assert all(fix == (("compute.device", "auto"),) for fix in fixes)


def test_the_time_on_the_cpu_is_known_only_of_runs_that_train_there() -> None:
    experiment = load_experiment(preset="quickstart")
    assert cpu_forecast(experiment, gpus=1) is None
    seconds = cpu_forecast(experiment, gpus=0)
    assert seconds is not None
    assert seconds < 3600


@pytest.mark.parametrize(
    ("options", "gpus", "level", "devices"),
    [
        ((), 1, None, None),
        ((), 4, "info", "4"),
        (("schedule.batch_size=300",), 8, "info", "6"),
        (("compute.device=cuda",), 2, "info", "2"),
        (("compute.device=cuda:1",), 2, None, None),
        (("compute.device=cpu",), 2, None, None),
        (("compute.devices=2",), 2, None, None),
        (("compute.devices=1",), 2, None, None),
        (("compute.devices=[1]",), 2, None, None),
        (("compute.devices=4",), 2, "warning", "1"),
        (("compute.devices=[0, 2]",), 2, "warning", "1"),
    ],
)
def test_more_gpus_than_train_are_advice_and_fewer_a_warning(
    options: tuple[str, ...], gpus: int, level: str | None, devices: str | None
) -> None:
    settings = ["schedule.batch_size=512", "method={name: simclr}", *options]
    found = device_advice(load_experiment(preset="quickstart", overrides=settings), gpus=gpus)
    expected = [] if level is None else [(level, (("compute.devices", devices),))]
    assert [(advice.level, advice.fix) for advice in found] == expected
