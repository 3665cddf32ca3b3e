"""`doctor`: what each check finds in prepared folders, and how the findings are printed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import Result

from wmse_tui.cli.checks.before_start import unusable_gpu, warnings_before_start
from wmse_tui.cli.checks.finding import Finding
from wmse_tui.cli.checks.software import preset_findings, python_findings, torch_findings
from wmse_tui.cli.checks.storage import filesystem, queue_finding, storage_findings
from wmse_tui.cli.checks.system import (
    cpu_finding,
    has_nvidia_gpu,
    machine_findings,
    memory_finding,
    session_findings,
    shm_finding,
)
from wmse_tui.cli.commands.run import warn_before_start, warn_of_unused_gpu
from wmse_tui.config.loading import load_experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.queue import tickets
from wmse_tui.runs.queue.gpu_slots import DeviceRequest, make_folders
from wmse_tui.runs.table.estimate import timed_run

REPORT = {
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "threads": 4,
    "cuda": {"usable": True, "reason": "ok", "text": "CUDA 12.8, driver 570", "fix": ""},
    "devices": [
        {
            "index": 0,
            "name": "RTX 3090",
            "memory_bytes": 25_000_000_000,
            "free_bytes": 20_000_000_000,
            "capability": "8.6",
            "kernel": "ok",
        },
        {
            "index": 1,
            "name": "Tesla K40",
            "memory_bytes": 12_000_000_000,
            "free_bytes": None,
            "capability": "3.5",
            "kernel": "no kernel image is available",
        },
    ],
}

Usage = namedtuple("Usage", "total used free")


def printing(value: object) -> list[str]:
    """A command that prints the value as JSON, after a warning of a library."""
    return [sys.executable, "-c", "import sys; print('a warning'); print(sys.argv[1])", json.dumps(value)]


def test_torch_and_its_devices_are_reported() -> None:
    assert list(torch_findings(printing(REPORT))) == [
        Finding("torch", "ok", "2.11.0, torchvision 0.26.0, 4 CPU threads"),
        Finding("cuda", "ok", "CUDA 12.8, driver 570"),
        Finding("cuda:0", "ok", "RTX 3090, 25.0 GB, 20.0 GB free, compute capability 8.6, a kernel runs"),
        Finding(
            "cuda:1",
            "warn",
            "Tesla K40, 12.0 GB, compute capability 3.5; no kernel runs: no kernel image is available",
            "hide it with CUDA_VISIBLE_DEVICES, or install a torch build that supports it",
        ),
    ]


@pytest.mark.parametrize(
    ("reason", "status"), [("no_card", "ok"), ("driver_too_old", "warn"), ("hidden", "warn")]
)
def test_no_gpu_is_ok_and_an_unusable_one_is_a_warning(reason: str, status: str) -> None:
    cuda = {"usable": False, "reason": reason, "text": "the text", "fix": "the fix"}
    findings = list(torch_findings(printing({**REPORT, "cuda": cuda, "devices": []})))
    assert findings[1:] == [Finding("cuda", status, "not usable: the text", "the fix")]  # type: ignore[arg-type]


def test_a_torch_that_cannot_be_imported_is_a_failure_with_its_message() -> None:
    (finding,) = torch_findings([sys.executable, "-c", "import sys; sys.exit('No module named torch')"])
    assert finding.status == "fail"
    assert finding.text == "cannot be used (status 1): No module named torch"


def test_python_and_its_packages_are_found() -> None:
    assert [(finding.name, finding.status) for finding in python_findings()] == [
        ("python", "ok"),
        ("wmse-tui", "ok"),
        ("packages", "ok"),
    ]


def test_presets_are_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    (finding,) = preset_findings()
    assert (finding.status, finding.text.split()[1:]) == ("ok", ["presets", "can", "be", "read"])
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.yaml").write_text("sed: 1\n")
    (finding,) = preset_findings()
    assert finding.status == "warn"
    assert "mine.yaml:1: sed" in finding.text


def test_a_container_s_limits_count(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 64000000 kB\nMemFree: 1 kB\nMemAvailable: 32000000 kB\n")
    assert memory_finding(meminfo, tmp_path).text == "32.8 GB of 65.5 GB free"
    (tmp_path / "memory.max").write_text("4000000000\n")
    (tmp_path / "memory.current").write_text("3000000000\n")
    (tmp_path / "cpu.max").write_text("10000 100000\n")
    finding = memory_finding(meminfo, tmp_path)
    assert (finding.status, finding.text) == ("warn", "1.0 GB of 4.0 GB free (a container's limit)")
    assert cpu_finding(tmp_path).text.startswith("0.1 of ")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_finding(meminfo, tmp_path).status == "ok"


def test_a_user_without_a_home_is_warned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder ends with the container, and the advice names what to set."""
    monkeypatch.setattr("wmse_tui.cli.checks.system.has_home", lambda: False)
    monkeypatch.setattr("wmse_tui.cli.checks.system.home", lambda: tmp_path)
    found = {finding.name: finding for finding in machine_findings()}
    assert found["home"].status == "warn"
    assert str(tmp_path) in found["home"].text
    assert "HOME" in found["home"].fix
    monkeypatch.setattr("wmse_tui.cli.checks.system.has_home", lambda: True)
    assert "home" not in {finding.name for finding in machine_findings()}


@pytest.mark.parametrize(("free", "status"), [(64_000_000, "warn"), (8_000_000_000, "ok")])
def test_little_shared_memory_is_a_warning(
    free: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free, 0, free))
    finding = shm_finding(tmp_path)
    assert finding.status == status
    assert ("--shm-size=8g" in finding.fix) == (status == "warn")


def test_a_job_of_a_scheduler_and_a_logout_that_kills_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wmse_tui.cli.checks.system.kills_user_processes", lambda: True)
    monkeypatch.setattr("wmse_tui.cli.checks.system.container", lambda: "docker")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    logout, inside, job = session_findings()
    assert "inside a container (docker)" in inside.text
    assert logout.status == "warn"
    assert "systemd-run --user --scope" in logout.fix
    assert "inside SLURM job 77" in job.text


def test_the_cheap_checks_run_before_every_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wmse_tui.cli.checks.storage.filesystem", lambda path: "nfs4")
    monkeypatch.setattr("wmse_tui.cli.checks.system.kills_user_processes", lambda: True)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(64_000_000, 0, 64_000_000))

    def names(*overrides: str) -> list[str]:
        experiment = load_experiment(preset="quickstart", overrides=overrides)
        return [f.name for f in warnings_before_start(experiment, tmp_path) if f.name != "memory"]

    assert names() == ["network disk", "logout"]
    assert names("compute.loader=workers") == ["network disk", "logout", "/dev/shm"]
    assert names("compute.loader=workers", "compute.workers=0") == ["network disk", "logout"]


@pytest.mark.parametrize(("version", "fails"), [("2.9.1", True), ("2.10.0", False), ("2.11.0+cu128", False)])
def test_a_torch_that_loads_weights_unsafely_is_a_failure(version: str, fails: bool) -> None:
    cuda = {"usable": False, "reason": "no_card", "text": "no card", "fix": ""}
    report = {"torch": version, "torchvision": "0", "threads": 2, "cuda": cuda, "devices": []}
    argv = [sys.executable, "-c", f"print({json.dumps(json.dumps(report))})"]
    failed = [finding for finding in torch_findings(argv) if finding.status == "fail"]
    assert [finding.name for finding in failed] == (["torch version"] if fails else [])
    assert all("torch>=2.10" in finding.fix for finding in failed)


def test_usable_folders_are_ok(tmp_path: Path) -> None:
    (tmp_path / "data" / "stl10_binary").mkdir(parents=True)
    findings = {finding.name: finding for finding in storage_findings(tmp_path / "runs", tmp_path / "data")}
    assert {finding.status for finding in findings.values()} <= {"ok", "warn"}
    assert findings["locks"] == Finding("locks", "ok", "runs can be locked there")
    assert findings["data stl10"].text == f"found in {tmp_path / 'data' / 'stl10_binary'}"
    assert findings["data cifar10"].text == "not downloaded yet; a run that needs it downloads 170 MB"
    assert "copy cifar-10-python.tar.gz into" in findings["data cifar10"].fix
    assert "(will be created)" in findings["runs"].text
    assert [path.name for path in tmp_path.iterdir()] == ["data"]  # the checks leave nothing behind


def test_the_queue_reports_how_many_runs_wait_and_how_many_lost_their_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "queue"
    monkeypatch.setenv("WMSE_TUI_QUEUE", str(folder))
    assert queue_finding(folder) == Finding("queue", "ok", f"{folder}, 0 runs waiting")
    make_folders()
    held = [
        tickets.write_ticket(RunDirectory(tmp_path / name), DeviceRequest(("machine",)))[1] for name in "ab"
    ]
    assert queue_finding(folder).text == f"{folder}, 2 runs waiting"
    os.close(held[0])  # as happens when the waiting process ends
    finding = queue_finding(folder)
    assert (finding.status, finding.fix) == ("warn", "wmse-tui queue again")
    assert finding.text == f"{folder}, 1 run waiting, 1 lost (after a reboot or a kill)"
    os.close(held[1])


def test_a_queue_that_cannot_be_locked_is_a_warning_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "fcntl", refused)
    finding = queue_finding(tmp_path)
    assert (finding.status, finding.fix) == ("warn", "choose a folder on a local disk: WMSE_TUI_QUEUE=DIR")
    assert "No locks available" in finding.text


def test_a_full_disk_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**6))
    runs = next(iter(storage_findings(tmp_path, tmp_path)))
    assert (runs.status, runs.text) == ("fail", "the disk is full: 1.0 MB left for runs")


def test_runs_on_a_network_disk_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wmse_tui.cli.checks.storage.filesystem", lambda path: "nfs4")
    (finding,) = (f for f in storage_findings(tmp_path, tmp_path) if f.name == "network disk")
    assert finding.status == "warn"
    assert "runs are on nfs4" in finding.text


def test_the_file_system_of_a_path_is_that_of_the_nearest_mount() -> None:
    assert filesystem(Path("/proc/self/not/there")) == "proc"
    assert filesystem(Path("/no/such/folder")) == filesystem(Path("/"))


@pytest.fixture
def quick_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixed finding in place of the process that imports torch."""
    monkeypatch.setattr(
        "wmse_tui.cli.checks.software.torch_findings", lambda: iter([Finding("torch", "ok", "2.11.0")])
    )


def test_findings_are_printed_as_they_come(cli: Callable[..., Result], quick_torch: None) -> None:
    result = cli("doctor")
    assert result.exit_code == 0
    names = [line[6:24].strip() for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert names[:4] == ["python", "wmse-tui", "packages", "torch"]
    assert {"cpu", "memory", "/dev/shm", "runs", "locks", "queue", "data", "data cifar10", "presets"} <= set(
        names
    )


def test_findings_as_json_have_the_same_fields(cli: Callable[..., Result], quick_torch: None) -> None:
    findings = json.loads(cli("doctor", "--json").stdout)
    assert {"name": "torch", "status": "ok", "text": "2.11.0", "fix": ""} in findings
    assert {tuple(finding) for finding in findings} == {("name", "status", "text", "fix")}


def test_a_failure_makes_the_exit_code_1(
    cli: Callable[..., Result], quick_torch: None, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = cli("doctor", "--runs-dir", str(tmp_path / "file" / "runs"))
    assert result.exit_code == 1
    assert "fail  runs" in result.stdout
    assert "-> put runs elsewhere" in result.stdout


def torch_report(reason: str) -> list[str]:
    """A command that reports an unusable GPU."""
    cuda = {"usable": False, "reason": reason, "text": "the driver serves CUDA 12.4", "fix": "pip install x"}
    report = {"torch": "2.14.0", "torchvision": "0", "threads": 2, "cuda": cuda, "devices": []}
    return [sys.executable, "-c", f"print({json.dumps(json.dumps(report))})"]


@pytest.mark.parametrize(
    ("device", "card", "visible", "reason", "found"),
    [
        ("auto", True, None, "driver_too_old", True),
        ("auto", True, "0", "driver_too_old", True),
        ("auto", True, "", "hidden", False),
        ("auto", True, None, "no_card", False),
        ("auto", False, None, "driver_too_old", False),
        ("cpu", True, None, "driver_too_old", False),
        ("cuda", True, None, "driver_too_old", False),
    ],
)
def test_a_gpu_that_auto_cannot_use_is_found_before_a_start(
    device: str, card: bool, visible: str | None, reason: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wmse_tui.cli.checks.before_start.has_nvidia_gpu", lambda: card)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    experiment = load_experiment(preset="quickstart", overrides=(f"compute.device={device}",))
    finding = unusable_gpu(experiment, torch_report(reason))
    expected = Finding("cuda", "warn", "not usable: the driver serves CUDA 12.4", "pip install x")
    assert finding == (expected if found else None)


@pytest.mark.parametrize(
    ("vendor", "kind", "found"), [("0x10de", "0x030200", True), ("0x1002", "0x030000", False)]
)
def test_a_gpu_is_found_with_and_without_its_driver(
    tmp_path: Path, vendor: str, kind: str, found: bool
) -> None:
    pci = tmp_path / "pci"
    (pci / "0000:01:00.0").mkdir(parents=True)
    (pci / "0000:01:00.0" / "vendor").write_text(f"{vendor}\n")
    (pci / "0000:01:00.0" / "class").write_text(f"{kind}\n")
    assert has_nvidia_gpu(tmp_path / "dev", pci) == found
    (tmp_path / "nvidia0").touch()
    assert has_nvidia_gpu(tmp_path, tmp_path / "none")


@pytest.mark.parametrize(
    ("preset", "terminal", "question"),
    [("cifar10", True, True), ("cifar10", False, False), ("quickstart", True, False)],
)
def test_a_long_run_beside_an_unused_gpu_is_asked_about_on_a_terminal(
    preset: str,
    terminal: bool,
    question: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding = Finding("cuda", "warn", "not usable: the driver serves CUDA 12.4", "pip install x")
    monkeypatch.setattr("wmse_tui.cli.checks.before_start.unusable_gpu", lambda experiment: finding)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: terminal, raising=False)
    asked: list[str] = []
    monkeypatch.setattr(typer, "confirm", lambda text, **_: asked.append(text))
    warn_of_unused_gpu(load_experiment(preset=preset))
    assert len(asked) == question
    assert all(text.startswith("Train on the CPU all the same, for about ") for text in asked)
    err = capsys.readouterr().err
    assert "warning: compute.device: the GPU is not usable: the driver serves CUDA 12.4" in err
    assert "pip install x" in err


@pytest.mark.parametrize(("epoch_seconds", "warned"), [(0.5, False), (50.0, True)])
def test_the_time_before_a_start_is_that_of_the_runs_of_this_machine(
    epoch_seconds: float,
    warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    experiment = load_experiment(preset="cifar10", overrides=["compute.device=cpu"])
    known = (timed_run("before", experiment, epoch_seconds, on_gpu=False),)
    monkeypatch.setattr("wmse_tui.runs.table.estimate.runs_of_this_machine", lambda root: known)
    warn_before_start(experiment, tmp_path)
    assert ("the run would take about 13 h 53 min" in capsys.readouterr().err) == warned
