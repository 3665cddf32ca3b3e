"""What is told of the machine."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len

from wmse_tui.runs.log.events import Resources
from wmse_tui.tui.widgets.monitor.machine import machine_rows

CPU = Resources(step=1, cpu=1.5, cpu_count=2, memory=6e8, memory_total=16e9)
GPU = replace(
    CPU,
    gpu="NVIDIA H100",
    gpu_utilisation=0.5,
    gpu_memory=2e10,
    gpu_memory_total=8e10,
    gpu_temperature=61.0,
    gpu_power=350.4,
    gpu_power_limit=700.0,
)


def rows(*told: Resources, width: int = 60, ascii_only: bool = False) -> list[str]:
    return [row.plain.rstrip() for row in machine_rows(told, width, ascii_only=ascii_only)]


def test_before_the_first_measurement_it_says_so() -> None:
    assert rows() == ["Nothing was measured yet."]


def test_without_a_gpu_processor_and_memory_are_told() -> None:
    assert rows(CPU) == [
        "No GPU is used",
        "cpu    ██████░░ 1.5 of 2 cores",
        "memory ░░░░░░░░ 600 MB of 16.0 GB",
    ]


def test_a_gpu_is_told_with_utilisation_memory_power_and_temperature() -> None:
    assert rows(GPU) == [
        "NVIDIA H100",
        "gpu    ████░░░░ 50.00 %",
        "memory ██░░░░░░ 20.0 GB of 80.0 GB",
        "power  ████░░░░ 350 of 700 W, 61 °C",
        "cpu    ██████░░ 1.5 of 2 cores",
        "memory ░░░░░░░░ 600 MB of 16.0 GB",
    ]


def test_the_recent_past_is_drawn_from_nothing_to_all() -> None:
    past = [replace(GPU, gpu_utilisation=share) for share in (0.0, 0.5, 1.0)]
    assert rows(*past)[1] == "gpu    ████████ 100.00 %  ▁▅█"
    assert rows(*past, ascii_only=True)[1].endswith("_+#")


def test_what_cannot_be_told_has_no_row() -> None:
    blind = replace(GPU, gpu_utilisation=None, gpu_power=None, gpu_power_limit=None, cpu=None)
    assert [row.split()[0] for row in rows(blind)[1:]] == ["memory", "heat", "memory"]
    assert rows(blind)[2] == "heat            61 °C"
    assert rows(replace(blind, gpu_temperature=None, memory_total=None))[-1] == "memory          600 MB"


def test_rows_fit_and_the_name_is_harmless() -> None:
    past = [replace(GPU, gpu="[/red]\x1b[2J") for _ in range(120)]
    for width in (12, 20, 36, 60, 200):
        assert all(cell_len(row) <= width for row in rows(*past, width=width))
    assert rows(*past)[0] == "[/red]\\x1b[2J"
