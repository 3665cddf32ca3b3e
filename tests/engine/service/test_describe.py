"""What an experiment is in numbers, and when they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.errors import DeviceError
from wmse_tui.engine.main_memory import Memory
from wmse_tui.engine.profiling.dry_run import simulate_step
from wmse_tui.engine.profiling.image_cache import ImageCache
from wmse_tui.engine.service import describe as module
from wmse_tui.engine.service.describe import describe_experiment, memory_parts
from wmse_tui.engine.training.device import ChosenDevice

Tiny = Callable[..., Experiment]
GPU = ChosenDevice(torch.device("cuda", 0), "A card", "requested")


def on(device: ChosenDevice, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "trainer_device", lambda wanted: device)
    monkeypatch.setattr(module, "memory_of", lambda device: memory)


def bytes_of(parts: list[dict[str, Any]]) -> dict[str, int]:
    return {part["name"]: part["bytes"] for part in parts}


def test_the_answer_describes_the_networks(job: Callable[..., Any], images: ImageCache, tiny: Tiny) -> None:
    answer = describe_experiment(tiny("compute.device=cpu"), job("describe"), images)
    encoder, head = 74_640, 64 * 16 + 16 + 2 * 16 + 16 * 4 + 4
    assert answer["parameters"] == {
        "encoder": encoder,
        "head": head,
        "target": 0,
        "total": encoder + head,
    }
    assert (answer["feature_dim"], answer["stem"]) == (64, "cifar")
    assert answer["gflop_per_view"] == pytest.approx(answer["gflop"]["encoder"] + answer["gflop"]["head"])
    parts = bytes_of(answer["memory"]["parts"])
    assert answer["memory"]["total"] == sum(parts.values())
    assert parts["gradients"] == 4 * (encoder + head)
    assert parts["optimizer"] == 8 * (encoder + head)
    assert parts["views"] == 2 * 16 * 3 * 16 * 16 * 4
    assert parts["images"] == (96 + 40) * 3 * 32 * 32
    assert answer["device"]["type"] == "cpu"
    assert answer["device"]["memory"] >= answer["device"]["free"] > 0
    assert answer["notices"] == []


def test_a_card_with_bfloat16_has_advice_on_faster_options(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ChosenDevice(torch.device("cuda", 0), "A card", "requested", bfloat16=True)
    on(card, Memory(2**36, 2**36), monkeypatch)
    (notice,) = describe_experiment(tiny(), job("describe"), images)["notices"]
    assert (notice["path"], notice["level"]) == ("compute.precision", "info")
    assert notice["text"].startswith(
        "A card is expected to train faster with --set compute.precision=bfloat16"
    )


def test_momentum_stores_one_number_for_each_parameter(tiny: Tiny) -> None:
    sgd = tiny("optimizer={name: sgd}")
    parts = bytes_of(memory_parts(sgd, simulate_step(sgd, check=lambda: None), None, None))
    assert parts["optimizer"] == parts["gradients"]


def test_a_step_that_is_larger_than_the_device_is_warned_of(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(GPU, Memory(2**29, 2**29), monkeypatch)
    answer = describe_experiment(tiny(), job("describe"), images)
    [notice] = answer["notices"]
    assert (notice["path"], notice["level"]) == ("schedule.batch_size", "warning")
    assert notice["text"].startswith("a step needs about 5")
    assert "more than the 537 MB of A card" in notice["text"]
    assert notice["text"].endswith("use a smaller schedule.batch_size, or compute.precision=bfloat16")


def test_a_full_device_is_distinguished_from_one_that_is_too_small(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(GPU, Memory(80 * 10**9, 2 * 10**8), monkeypatch)
    [notice] = describe_experiment(tiny(), job("describe"), images)["notices"]
    assert notice["path"] == "compute.device"
    assert notice["text"].endswith("A card has 80.0 GB, but only 200 MB are free now")


def test_without_the_device_the_rest_is_answered(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(wanted: str) -> ChosenDevice:
        raise DeviceError(f"compute.device={wanted} cannot be used", "no NVIDIA card in this machine")

    monkeypatch.setattr(module, "trainer_device", refuse)
    answer = describe_experiment(tiny("compute.device=cuda"), job("describe"), images)
    reason = "compute.device=cuda cannot be used: no NVIDIA card in this machine"
    assert answer["device"] == {"type": None, "name": "", "reason": reason, "memory": None, "free": None}
    assert answer["notices"] == [{"path": "compute.device", "level": "warning", "text": reason}]
    assert answer["parameters"]["total"] > 0


@pytest.mark.parametrize(
    ("overrides", "free", "expected", "why"),
    [
        ((), 10**9, 50_000 * 3072, "50,000 training images as bytes"),
        ((), 3 * 10**8, 0, "154 MB stay in main memory: more than half of the device's free memory"),
        (("compute.loader=workers",), 10**9, 0, "they stay in main memory, with the workers"),
        (
            ("dataset.name=imagenet", "dataset.eval_resize=32"),
            10**9,
            0,
            "read from files as they are needed, as far as is known",
        ),
    ],
)
def test_images_stay_on_a_gpu_where_the_trainer_would_put_them(
    overrides: tuple[str, ...], free: int, expected: int, why: str
) -> None:
    experiment = load_experiment(overrides=("backbone.arch=cifar_resnet8", *overrides))
    step = simulate_step(experiment, check=lambda: None)
    parts = {part["name"]: part for part in memory_parts(experiment, step, GPU, Memory(10**10, free))}
    assert (parts["images"]["bytes"], parts["images"]["text"]) == (expected, why)


def test_images_of_every_split_stay_in_main_memory() -> None:
    experiment = load_experiment(preset="stl10", overrides=("backbone.arch=cifar_resnet8",))
    parts = bytes_of(memory_parts(experiment, simulate_step(experiment, check=lambda: None), None, None))
    assert parts["images"] == (105_000 + 5_000 + 8_000) * 3 * 96 * 96


def test_the_pool_of_a_recorded_step_is_part_of_its_memory() -> None:
    experiment = load_experiment(preset="cifar10", overrides=("compute.compile=graph",))
    step = simulate_step(experiment, check=lambda: None)
    parts = bytes_of(memory_parts(experiment, step, GPU, Memory(10**11, 10**11)))
    assert parts["graph"] == pytest.approx(0.11 * parts["activations"] + 13 * parts["views"], abs=1)
    by_workers = load_experiment(
        preset="cifar10", overrides=("compute.compile=graph", "compute.loader=workers")
    )
    parts = bytes_of(memory_parts(by_workers, step, GPU, Memory(10**11, 10**11)))
    assert parts["graph"] == pytest.approx(0.11 * parts["activations"], abs=1)
    larger = load_experiment(preset="stl10", overrides=("compute.compile=graph",))
    parts = bytes_of(memory_parts(larger, step, GPU, Memory(10**11, 10**11)))
    pool = 0.11 * parts["activations"] + 13 * parts["views"] * (96 / 64) ** 2
    assert parts["graph"] == pytest.approx(pool, abs=1)
    as_written = load_experiment(preset="cifar10")
    assert "graph" not in bytes_of(memory_parts(as_written, step, GPU, Memory(10**11, 10**11)))
    assert "graph" not in bytes_of(memory_parts(experiment, step, None, None)), "a CPU records nothing"


def test_ranks_on_gpus_divide_what_the_batch_needs(tiny: Tiny) -> None:
    """Counted anew with the images of one rank, whose loss, which is of all, is small beside its networks."""
    ranks = 4
    settings = ("method.name=simclr", "schedule.batch_size=64", "compute.device=cuda")
    whole, share = (
        tiny(*settings, f"compute.devices={ranks}"),
        tiny(*settings, f"schedule.batch_size={64 // ranks}"),
    )
    memory = Memory(10**10, 10**10)
    step, of_one = (simulate_step(whole, check=lambda: None, ranks=number) for number in (1, ranks))
    found = {part["name"]: part for part in memory_parts(whole, step, GPU, memory, share=of_one)}
    alone = bytes_of(memory_parts(share, simulate_step(share, check=lambda: None), GPU, memory))
    shared = [found.pop(name)["bytes"] for name in ("gathered", "loss")]
    assert shared[0] == 2 * 2 * 64 * 4 * 4
    assert found["activations"]["bytes"] + sum(shared) == of_one.activations
    assert found.keys() == alone.keys()
    for name, part in found.items():
        assert part["bytes"] == pytest.approx(alone[name], rel=0.05), name
    assert found["activations"]["text"] == f"what the backward pass of {2 * 64 // ranks} views per GPU needs"


def test_ranks_on_a_cpu_are_all_on_one_machine(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny
) -> None:
    one = describe_experiment(tiny("compute.device=cpu"), job("describe"), images)["memory"]
    two = describe_experiment(tiny("compute.device=cpu", "compute.devices=2"), job("describe"), images)[
        "memory"
    ]
    assert (one["ranks"], two["ranks"]) == (1, 2)
    before, found = bytes_of(one["parts"]), bytes_of(two["parts"])
    gathered, loss = found.pop("gathered"), found.pop("loss")
    assert gathered == 2 * 2 * 2 * 16 * 4 * 4
    of_one = simulate_step(tiny("compute.devices=2"), check=lambda: None, ranks=2)
    assert found["activations"] + gathered + loss == 2 * of_one.activations
    copies = {"weights", "gradients", "optimizer", "images", "libraries"}
    assert found == {name: (2 if name in copies else 1) * size for name, size in before.items()}


def test_a_step_that_is_larger_than_each_gpu_is_warned_of(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(GPU, Memory(2**29, 2**29), monkeypatch)
    [notice] = describe_experiment(tiny("compute.devices=2"), job("describe"), images)["notices"]
    assert " per GPU, more than the 537 MB of A card" in notice["text"]
