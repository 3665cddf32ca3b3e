"""The rows of the usage panel."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len

from wmse_tui.runs.log.events import Resources
from wmse_tui.tui.widgets.monitor.usage import usage_rows

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


def rows(*measured: Resources, width: int = 60, ascii_only: bool = False) -> list[str]:
    return [row.plain.rstrip() for row in usage_rows(measured, width, ascii_only=ascii_only)]


def test_before_the_first_measurement_there_is_a_sentence() -> None:
    assert rows() == ["No measurements yet."]


def test_without_a_gpu_cpu_and_memory_are_shown() -> None:
    assert rows(CPU) == [
        "No GPU is used",
        "cpu    ██████░░ 1.5 of 2 cores",
        "memory ░░░░░░░░ 600 MB of 16.0 GB",
    ]


def test_a_gpu_is_shown_with_utilisation_memory_power_and_temperature() -> None:
    assert rows(GPU) == [
        "NVIDIA H100",
        "gpu    ████░░░░ 50.00 %",
        "memory ██░░░░░░ 20.0 GB of 80.0 GB",
        "power  ████░░░░ 350 of 700 W, 61 °C",
        "cpu    ██████░░ 1.5 of 2 cores",
        "memory ░░░░░░░░ 600 MB of 16.0 GB",
    ]


def test_a_sparkline_is_drawn_from_zero_to_the_total() -> None:
    past = [replace(GPU, gpu_utilisation=share) for share in (0.0, 0.5, 1.0)]
    assert rows(*past)[1] == "gpu    ████████ 100.00 %  ▁▅█"
    assert rows(*past, ascii_only=True)[1].endswith("_+#")


def test_a_missing_measurement_has_no_row() -> None:
    partial = replace(GPU, gpu_utilisation=None, gpu_power=None, gpu_power_limit=None, cpu=None)
    assert [row.split()[0] for row in rows(partial)[1:]] == ["memory", "temp", "memory"]
    assert rows(partial)[2] == "temp            61 °C"
    assert rows(replace(partial, gpu_temperature=None, memory_total=None))[-1] == "memory          600 MB"


def test_rows_fit_and_the_name_is_sanitised() -> None:
    past = [replace(GPU, gpu="[/red]\x1b[2J") for _ in range(120)]
    for width in (12, 20, 36, 60, 200):
        assert all(cell_len(row) <= width for row in rows(*past, width=width))
    assert rows(*past)[0] == "[/red]\\x1b[2J"
