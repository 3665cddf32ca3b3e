"""The memory of a container or a batch job is its limit, not the machine's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from wmse_tui.engine.profiling import memory
from wmse_tui.engine.profiling.memory import Memory, main_memory, memory_of
from wmse_tui.engine.profiling.threads import TRAINER_THREADS, threads, trainer_device


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


def test_without_a_limit_it_is_the_machines(tmp_path: Path) -> None:
    group(tmp_path, memory__max="max", memory__current=5)
    (tmp_path / "membership").write_text("0::/\n")
    assert main_memory(tmp_path, tmp_path / "membership").total == psutil.virtual_memory().total
    assert main_memory(tmp_path / "no", tmp_path / "none").total == psutil.virtual_memory().total


def test_the_innermost_and_the_outer_groups_count_and_cached_files_do_not(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("0::/job/step\n")
    group(tmp_path / "job" / "step", memory__max=300_000_000, memory__current=120_000_000)
    (tmp_path / "job" / "step" / "memory.stat").write_text("anon 5\ninactive_file 50000000\n")
    group(tmp_path / "job", memory__max=310_000_000, memory__current=200_000_000)
    found = main_memory(tmp_path, tmp_path / "membership")
    assert (found.total, found.free) == (300_000_000, 110_000_000)


def test_groups_of_the_first_version_count_too(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("4:cpu,cpuacct:/x\n3:memory:/slurm/job\n")
    job = tmp_path / "memory" / "slurm" / "job"
    group(job, memory__limit_in_bytes=200_000_000, memory__usage_in_bytes=90_000_000)
    group(tmp_path / "memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=1)
    found = main_memory(tmp_path, tmp_path / "membership")
    assert (found.total, found.free) == (200_000_000, 110_000_000)


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
