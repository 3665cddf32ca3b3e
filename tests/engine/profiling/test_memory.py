"""The memory of a device, and of a container or a batch job."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from wmse_tui.engine.main_memory import Memory
from wmse_tui.engine.profiling import memory
from wmse_tui.engine.profiling.memory import memory_of
from wmse_tui.engine.profiling.threads import TRAINER_THREADS, threads, trainer_device


def test_the_cpu_is_named_with_a_trainers_threads() -> None:
    with threads(1):
        assert torch.get_num_threads() == 1
        plural = "" if TRAINER_THREADS == 1 else "s"
        assert trainer_device("cpu").name == f"CPU, {TRAINER_THREADS} thread{plural}"
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == TRAINER_THREADS


@pytest.mark.parametrize(
    ("card", "free"),
    [
        ({"gpu_memory": 2_000.0, "gpu_memory_total": 10_000.0}, 8_000),
        ({"gpu_memory": 0.0, "gpu_memory_total": 10_500.0}, 9_900),  # NVML counts what the driver reserves
        ({}, 7_000),
        (None, 7_000),
    ],
    ids=["part of a card", "all free", "no permission", "no NVML"],
)
def test_the_free_memory_of_a_part_of_a_card_is_its_own(
    card: dict[str, float] | None, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not its total less what the processes of the whole card use."""
    properties = SimpleNamespace(total_memory=9_900)
    reader = None if card is None else SimpleNamespace(read=lambda: card)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7_000, 9_900))
    monkeypatch.setattr(memory, "find_card", lambda device: reader)
    assert memory_of(torch.device("cuda", 0)) == Memory(9_900, free)
