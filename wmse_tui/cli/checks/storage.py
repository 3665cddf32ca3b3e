"""`doctor` on disks: space, permissions, locks, network file systems, the queue, data sets."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wmse_tui.cli.checks.finding import Finding
from wmse_tui.config.datasets import DATASETS
from wmse_tui.runs.errors import SYSTEM_STEPS, BadPlace
from wmse_tui.runs.preflight import check_runs_dir, nearest_existing
from wmse_tui.runs.text.units import count, size

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "lustre", "gpfs", "beegfs"}
)

FOLDERS = {name: facts.folder for name, facts in DATASETS.items() if facts.folder}
"""The folder of each downloaded data set in the data folder, once unpacked."""


def storage_findings(runs: Path, data: Path) -> Iterator[Finding]:
    """Yield every finding about the folders of runs and of data sets; creates no file that remains."""
    yield _runs_finding(runs)
    yield _lock_finding(nearest_existing(runs))
    yield from network_findings(runs)
    yield _data_finding(data)
    for name, folder in FOLDERS.items():
        yield _dataset_finding(name, data, folder)


def _runs_finding(runs: Path) -> Finding:
    missing = "" if runs.is_dir() else " (will be created)"
    try:
        note = check_runs_dir(runs)
    except BadPlace as error:
        return Finding("runs", "fail", error.title, "; ".join(error.next))
    free = shutil.disk_usage(nearest_existing(runs)).free
    if note:
        return Finding("runs", "warn", note, "free some space, or put runs elsewhere with WMSE_TUI_RUNS")
    return Finding("runs", "ok", f"{runs}{missing}, {size(free)} free, {filesystem(runs)}")


def _lock_finding(folder: Path) -> Finding:
    """Make a run in a scratch folder and lock it twice: a second trainer must be refused."""
    from wmse_tui.runs.directory import create_run
    from wmse_tui.runs.errors import RunBusy, RunsError
    from wmse_tui.runs.process.identity import write_launch
    from wmse_tui.runs.process.lock import RunLock

    try:
        with tempfile.TemporaryDirectory(prefix=".wmse-tui-doctor-", dir=folder) as scratch:
            run = create_run(Path(scratch), "", name="doctor")
            write_launch(run)
            with RunLock(run):
                try:
                    with RunLock(run):
                        pass
                except RunBusy:
                    return Finding("locks", "ok", "runs can be locked there")
            return Finding(
                "locks",
                "fail",
                f"two processes can lock the same file in {folder}",
                "store runs on a local disk",
            )
    except RunsError as error:
        return Finding("locks", "fail", f"{error.title}: {error.detail}", "; ".join(error.next))
    except OSError as error:
        step = SYSTEM_STEPS.get(error.errno or 0, "see `runs` above")
        return Finding("locks", "fail", f"cannot be tested in {folder}: {error.strerror}", step)


def queue_finding(folder: Path) -> Finding:
    """Return whether runs can be queued, and whether some have lost their position in the queue."""
    from wmse_tui.runs.errors import RunsError
    from wmse_tui.runs.queue.tickets import entries

    locks = _lock_finding(nearest_existing(folder))
    if locks.status != "ok":
        fix = "choose a folder on a local disk: WMSE_TUI_QUEUE=DIR"
        return Finding("queue", "warn", f"no run can be queued in {folder}: {locks.text}", fix)
    try:
        tickets = entries()
    except RunsError as error:
        return Finding("queue", "warn", f"{error.title}: {error.detail}", "; ".join(error.next))
    text = f"{folder}, {count(sum(entry.locked for entry in tickets), 'run')} waiting"
    lost = sum(entry.lost for entry in tickets)
    if lost:
        return Finding(
            "queue", "warn", f"{text}, {lost} lost (after a reboot or a kill)", "wmse-tui queue again"
        )
    return Finding("queue", "ok", text)


def network_findings(runs: Path) -> Iterator[Finding]:
    """Yield a warning where runs are on a disk of another machine."""
    kind = filesystem(runs)
    if kind in NETWORK:
        yield Finding(
            "network disk",
            "warn",
            f"runs are on {kind}: other machines see events some seconds late, checkpoints are slower",
            "a local disk is better: set WMSE_TUI_RUNS",
        )


def _data_finding(data: Path) -> Finding:
    folder = nearest_existing(data)
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return Finding(
            "data",
            "warn",
            f"{data} cannot be written: no data set can be downloaded there",
            "set WMSE_TUI_DATA",
        )
    missing = "" if data.is_dir() else " (will be created)"
    return Finding("data", "ok", f"{data}{missing}, {size(free)} free, {filesystem(data)}")


def _dataset_finding(name: str, data: Path, folder: str) -> Finding:
    facts = DATASETS[name]
    if (data / folder).is_dir():
        return Finding(f"data {name}", "ok", f"found in {data / folder}")
    archive = data / facts.archive
    if archive.is_file():
        return Finding(f"data {name}", "ok", f"{archive} is here and will be unpacked")
    text = f"not downloaded yet; a run that needs it downloads {size(facts.archive_bytes)}"
    return Finding(f"data {name}", "ok", text, f"without a network, copy {facts.archive} into {data}")


def filesystem(path: Path) -> str:
    """Return the type of the file system that holds `path` ("ext4", "nfs4"), or "unknown"."""
    real = nearest_existing(path).resolve()
    best, kind = -1, "unknown"
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return kind
    for mount in mounts:
        fields = mount.split()
        point = Path(fields[1].replace("\\040", " "))
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind
