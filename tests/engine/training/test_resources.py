"""The machine as the trainer's event reports it: real processes, a stand-in for a card, and no libraries."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from wmse_tui.engine.distribution.roster import LOOPBACK, Roster
from wmse_tui.engine.training import resources
from wmse_tui.engine.training.rank_loads import LoadReports
from wmse_tui.engine.training.resources import ProcessTree, ResourceMonitor, find_card
from wmse_tui.runs.log.events import GpuUser, RankLoad
from wmse_tui.runs.process.identity import host

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 1)
BUSY = """
import time
print("on", flush=True)
end = time.process_time() + 0.5
while time.process_time() < end: pass
print("done", flush=True)
time.sleep(60)
"""
CARDS = {"GPU-aaaa": "first", "GPU-bbbb": "second", "MIG-cccc": "slice", "00000000:65:00.0": "by bus"}


class NvmlError(Exception):
    """As pynvml's."""


class Nvml(SimpleNamespace):
    """A driver with two cards, of which the second is trained on and used by the process `other` too.

    `refuses` names calls that fail.
    """

    NVMLError = NvmlError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *refuses: str, other: int = 2**22 + 2) -> None:
        super().__init__(refuses=refuses, other=other)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and name in object.__getattribute__(self, "refuses"):

            def refuse(*_: object) -> None:
                raise NvmlError(name)

            return refuse
        return object.__getattribute__(self, name)

    def nvmlInit(self) -> None:  # noqa: N802
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid not in CARDS:
            raise NvmlError(uuid)
        return CARDS[uuid]

    def nvmlDeviceGetHandleByPciBusId(self, bus: str) -> str:  # noqa: N802
        return CARDS[bus]

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return f"NVIDIA {handle}"

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=73, memory=20)

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=6 * 2**30, total=80 * 2**30, free=74 * 2**30)

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:  # noqa: N802
        return 61

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:  # noqa: N802
        return 312_500

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[SimpleNamespace]:  # noqa: N802
        return [
            SimpleNamespace(pid=os.getpid(), usedGpuMemory=2**30),
            SimpleNamespace(pid=self.other, usedGpuMemory=2**31),
            SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None),  # of another container
        ]

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:  # noqa: N802
        return 700_000


def with_card(monkeypatch: pytest.MonkeyPatch, nvml: Nvml | None, **properties: object) -> None:
    """Pretend that torch sees a card of these properties as cuda:1."""

    def describe(device: torch.device) -> SimpleNamespace:
        assert device == CUDA
        return SimpleNamespace(**properties)

    monkeypatch.setattr(resources, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", describe)


def test_the_load_of_the_processors_is_counted_with_that_of_the_children() -> None:
    program = [sys.executable, "-c", BUSY]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        clock = SimpleNamespace(now=0.0)
        tree = ProcessTree(os.getpid(), clock=lambda: clock.now)
        assert parent.stdout.readline() == "on\n"
        assert parent.stdout.readline() == "done\n"
        before, clock.now = time.process_time(), 2.0
        read = tree.read()
        clock.now = 4.0
        again = tree.read()
        parent.kill()
    assert before > 0
    assert read["cpu"] >= 0.4 / 2  # the child's half second, less what it had spent before the first reading
    assert again["cpu"] < read["cpu"]
    assert read["cpu_count"] == len(os.sched_getaffinity(0))
    assert 20e6 < read["memory"] < read["memory_total"]


def test_pages_that_processes_share_are_counted_once() -> None:
    """A forked child holds the 200 MB of its parent, and adds next to nothing."""
    program = (
        "import os, sys, time\nhold = bytearray(os.urandom(1)) * 200_000_000\n"
        "child = os.fork()\nif child == 0: time.sleep(60)\n"
        "print(child, flush=True)\nsys.stdin.read()\nos.kill(child, 9)"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) > 0
        memory = ProcessTree(parent.pid).read()["memory"]
        parent.communicate("")
    assert 200e6 < memory < 320e6


def test_a_process_that_has_ended_reports_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as one:
        tree = ProcessTree(one.pid)
    assert tree.read() == {}


def test_without_a_card_the_processor_is_reported() -> None:
    event = ResourceMonitor(CPU).read(12)
    assert event is not None
    assert (event.step, event.gpu, event.gpu_memory) == (12, "", None)
    assert event.cpu is not None
    assert event.memory_total is not None


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        ({"uuid": "bbbb"}, "NVIDIA second"),
        ({"uuid": "cccc"}, "NVIDIA slice"),
        ({"pci_domain_id": 0, "pci_bus_id": 0x65, "pci_device_id": 0}, "NVIDIA by bus"),
    ],
)
def test_the_card_is_found_by_what_it_is_called_not_by_its_number(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, object], name: str
) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        with_card(monkeypatch, Nvml(other=other.pid), **properties)
        event = ResourceMonitor(CUDA).read(1)
        other.kill()
    assert event is not None
    assert event.gpu == name
    assert (event.gpu_utilisation, event.gpu_temperature) == (0.73, 61)
    assert (event.gpu_memory, event.gpu_memory_total) == (6 * 2**30, 80 * 2**30)
    assert (event.gpu_power, event.gpu_power_limit) == (312.5, 700)
    user = pwd.getpwuid(os.getuid()).pw_name
    # Not this process, but two others.
    assert event.gpu_users == (GpuUser(other.pid, user, "sleep", 2**31), GpuUser(2**22 + 1))


def test_what_a_card_does_not_report_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a card has memory of its own; utilisation and power are of the whole."""
    refused = (
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetEnforcedPowerLimit",
        "nvmlDeviceGetComputeRunningProcesses",
    )
    with_card(monkeypatch, Nvml(*refused), uuid="bbbb")
    event = ResourceMonitor(CUDA).read(1)
    assert event is not None
    assert (event.gpu_utilisation, event.gpu_power, event.gpu_power_limit) == (None, None, None)
    assert (event.gpu_memory, event.gpu_users) == (6 * 2**30, ())


@pytest.mark.parametrize("nvml", [None, Nvml("nvmlInit"), Nvml("nvmlDeviceGetHandleByPciBusId")])
def test_without_library_driver_or_permission_there_is_no_card(
    monkeypatch: pytest.MonkeyPatch, nvml: Nvml | None
) -> None:
    with_card(monkeypatch, nvml, uuid="dddd", pci_domain_id=0, pci_bus_id=1, pci_device_id=0)
    assert find_card(CUDA) is None
    event = ResourceMonitor(CUDA).read(1)
    assert event is not None
    assert event.gpu == ""
    assert event.cpu is not None


def test_a_machine_without_either_library_has_no_such_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "psutil", None)
    monkeypatch.setattr(resources, "pynvml", None)
    assert ResourceMonitor(CPU).read(1) is None
    assert ResourceMonitor(CUDA).read(1) is None


def test_without_the_processors_library_the_card_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "psutil", None)
    with_card(monkeypatch, Nvml(), uuid="aaaa")
    event = ResourceMonitor(CUDA).read(1)
    assert event is not None
    assert (event.gpu, event.cpu, event.memory) == ("NVIDIA first", None, None)


def test_the_trainer_starts_where_neither_library_is_installed() -> None:
    program = (
        "import sys\nsys.modules['psutil'] = sys.modules['pynvml'] = None\n"
        "from wmse_tui.engine.training import resources, session\nimport torch\n"
        "print(resources.psutil, resources.pynvml, resources.ResourceMonitor(torch.device('cpu')).read(1))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None None None\n", "")


class Others:
    """Two ranks: one on this machine, started by this process, and one of another machine."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def loads(self) -> tuple[RankLoad, ...]:
        there = RankLoad(rank=2, host="another", gpu="NVIDIA far", gpu_power=90.0, cpu=4.0, memory=8e9)
        return there, RankLoad(rank=1, host=host(), gpu="NVIDIA near", gpu_power=80.0, cpu=2.0, memory=1e9)

    def started(self) -> tuple[int, ...]:
        return (self.pid,)


def test_rank_0_reports_every_rank_and_the_sum_on_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with_card(monkeypatch, Nvml(), uuid="bbbb")
    hold = "import os, sys\nhold = os.urandom(1) * 100_000_000\nprint(1, flush=True)\nsys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", hold], stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        event = ResourceMonitor(CUDA, others=Others(child.pid)).read(5)
        alone = ResourceMonitor(CUDA).read(5)
        child.communicate("")
    assert event is not None
    assert alone is not None
    assert alone.ranks == ()
    first, near, far = event.ranks
    assert [(load.rank, load.gpu, load.gpu_power) for load in event.ranks] == [
        (0, "NVIDIA second", 312.5),
        (1, "NVIDIA near", 80.0),
        (2, "NVIDIA far", 90.0),
    ]
    assert (event.gpu, event.gpu_power) == (first.gpu, first.gpu_power)  # as of a run of one
    assert first.cpu is not None
    assert first.memory is not None
    assert alone.memory is not None
    assert (event.cpu, event.memory) == (first.cpu + 2.0, first.memory + 1e9)
    assert first.memory < alone.memory - 90e6  # the process of another rank is not rank 0's
    assert (near.host, far.host) == (host(), "another")


def test_a_rank_leaves_its_load_in_the_store_of_rank_0(monkeypatch: pytest.MonkeyPatch) -> None:
    with_card(monkeypatch, Nvml(), uuid="bbbb")
    first = Roster.serve(2)
    assert first.load(1) is None
    reports = LoadReports(Roster.connect(LOOPBACK, first.store.port, 1, 2), CUDA)
    end = time.monotonic() + 30
    while (load := first.load(1)) is None and time.monotonic() < end:
        time.sleep(0.05)
    reports.end()
    assert load is not None
    assert (load.rank, load.host, load.gpu, load.gpu_temperature) == (1, host(), "NVIDIA second", 61)
    assert load.memory is not None
