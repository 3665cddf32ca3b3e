"""The rows of the usage panel."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len

from wmse_tui.runs.log.events import GpuUser, RankLoad, Resources
from wmse_tui.runs.state.curves import curve
from wmse_tui.runs.state.run import RunState
from wmse_tui.tui.run_news import gpu_load
from wmse_tui.tui.widgets.monitor.rank_usage import rank_lines
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
    assert rows(*past)[1] == "gpu    ████████ 100.00 %             ▁▅█"
    assert {row.rindex("  ") for row in rows(*past)[1:]} == {35}  # the curves begin below each other
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
    assert rows(*past)[2] == "memory ████████ 80.0 GB of 80.0 GB   ▁▅█"


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


def several(ranks: int, hosts: int = 1, *, gpu: str = "NVIDIA H100", used: float = 0.5) -> Resources:
    """The report of as many ranks, divided among hosts."""
    loads = tuple(
        RankLoad(
            rank=rank,
            host=f"node{rank * hosts // ranks}",
            gpu=gpu,
            gpu_utilisation=used + rank / 100 if gpu else None,
            gpu_memory=7e10 + 1e9 * rank if gpu else None,
            gpu_memory_total=8e10 if gpu else None,
            gpu_temperature=50.0 + rank if gpu else None,
            gpu_power=300.0 + 10 * rank if gpu else None,
            cpu=0.5 + 0.25 * rank,
            memory=1e9,
        )
        for rank in range(ranks)
    )
    return replace(GPU if gpu else CPU, cpu=1.0, memory=2e9, ranks=loads)


def lines_of(*measured: Resources, width: int = 60, most: int = 9) -> list[str]:
    return [line.plain.rstrip() for line in rank_lines(measured, width, most, ascii_only=False)]


def test_every_rank_has_a_line_with_its_card_and_its_past() -> None:
    past = [several(2, used=share) for share in (0.0, 0.25, *(0.5,) * 6)]
    assert lines_of(*past) == [
        "2 x NVIDIA H100",
        "0 ████░░░░ 50 %  70.0 of 80.0 GB  300 W  50 °C  ▁▃▅▅▅▅▅▅",
        "1 ████░░░░ 51 %  71.0 of 80.0 GB  310 W  51 °C  ▁▃▅▅▅▅▅▅",
    ]
    assert lines_of(*past, width=40)[1] == "0 50 %  70.0 of 80.0 GB  300 W  50 °C"
    assert rows(*past) == [
        "cpu    ████░░░░ 1 of 2 cores       ▅▅▅▅▅▅▅▅",
        "memory █░░░░░░░ 2.0 GB of 16.0 GB  ▂▂▂▂▂▂▂▂",
    ]
    assert gpu_load(past[-1]) == "GPUs 50-51 %"
    assert gpu_load(GPU) == "GPU 50 %"
    assert lines_of(GPU) == lines_of() == []


def test_processes_on_the_cpu_have_lines_too() -> None:
    assert lines_of(several(2, gpu="")) == [
        "2 ranks on the CPU",
        "0 ██░░░░░░  0.5 cores  1.0 GB",
        "1 ███░░░░░ 0.75 cores  1.0 GB",
    ]
    state = RunState(resource_rows=(several(2, gpu=""), replace(several(2, gpu=""), step=5)))
    assert history_names(state) == ("cpu", "memory")
    assert curve(state, "cpu", axis="step", rank=1).y == (0.75, 0.75)
    assert curve(state, "cpu", axis="step", rank=7).y == ()


def test_ranks_are_listed_by_machine_and_summed_up_where_they_do_not_fit() -> None:
    assert lines_of(several(4, 2))[::3] == ["node0: 2 x NVIDIA H100", "node1: 2 x NVIDIA H100"]
    assert lines_of(several(16, 2), width=70) == [
        "node0: 8 x NVIDIA H100",
        " 0-7 ████░░░░ 50-57 %  70.0-77.0 of 80.0 GB  300-370 W  50-57 °C",
        "node1: 8 x NVIDIA H100",
        "8-15 ████░░░░ 58-65 %  78.0-85.0 of 80.0 GB  380-450 W  58-65 °C",
    ]
    assert lines_of(several(16, 8))[0] == "16 ranks on 8 machines"
    hostile = replace(several(2), ranks=(RankLoad(rank=0, host="[b]", gpu="\x1b[2J"), RankLoad(rank=1)))
    assert lines_of(hostile)[0] == "[b]: \\x1b[2J"
    for width in (12, 20, 36, 60):
        for ranks, hosts in ((2, 1), (8, 2), (64, 8)):
            assert all(cell_len(line) <= width for line in lines_of(several(ranks, hosts), width=width))
            assert len(lines_of(several(ranks, hosts), width=width)) <= 9
