"""The rows of the usage panel."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len

from wmse_tui.runs.log.events import GpuUser, Resources
from wmse_tui.runs.state.curves import curve
from wmse_tui.runs.state.run import RunState
from wmse_tui.tui.widgets.monitor.usage import history_names, usage_rows, users_text

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


def test_the_memory_has_a_sparkline_too() -> None:
    past = [replace(GPU, gpu_memory=used) for used in (0.0, 4e10, 8e10)]
    assert rows(*past)[2] == "memory ████████ 80.0 GB of 80.0 GB  ▁▅█"


def test_other_processes_on_the_gpu_are_named_and_sanitised() -> None:
    assert users_text(None).plain == users_text(CPU).plain == users_text(GPU).plain == ""
    one = replace(GPU, gpu_users=(GpuUser(77, "anna", "python", 2e9),))
    assert users_text(one).plain == "1 other uses this GPU: anna python 2.0 GB (pid 77)"
    two = replace(one, gpu_users=(*one.gpu_users, GpuUser(5), GpuUser(6, "\x1b[2J", "[b]x")))
    assert users_text(two).plain == (
        "3 others use this GPU: anna python 2.0 GB (pid 77), not visible from here (pid 5), "
        "\\x1b[2J [b]x (pid 6)"
    )


def test_the_past_is_that_of_the_gpu_or_of_a_machine_without_one() -> None:
    def names(*measured: Resources) -> tuple[str, ...]:
        return history_names(RunState(resource_rows=measured))

    assert names() == names(GPU) == ()
    assert names(CPU, CPU) == ("cpu", "memory")
    assert names(GPU, GPU) == ("gpu_utilisation", "gpu_memory", "gpu_temperature", "gpu_power")
    assert names(*[replace(GPU, gpu_power=None)] * 2) == ("gpu_utilisation", "gpu_memory", "gpu_temperature")


def test_what_was_measured_can_be_drawn() -> None:
    state = RunState(resource_rows=(GPU, replace(GPU, step=3, gpu_memory=None), replace(GPU, step=5)))
    drawn = curve(state, "gpu_memory", axis="step")
    assert (drawn.x, drawn.y, drawn.points) == ((1.0, 5.0), (20.0, 20.0), False)
    assert curve(state, "gpu_utilisation", axis="step").y == (0.5, 0.5, 0.5)
    assert curve(RunState(resource_rows=(CPU,)), "gpu_power").y == ()
