"""The checks of `doctor` that are cheap enough to run before every start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wmse_tui.cli.checks.finding import Finding
from wmse_tui.cli.checks.storage import network_findings
from wmse_tui.cli.checks.system import CGROUP, SHM, memory_finding, session_findings, shm_finding
from wmse_tui.config.schema import Experiment


def warnings_before_start(experiment: Experiment, runs: Path) -> Iterator[Finding]:
    """Yield what may make this run fail on this machine; the run is started all the same.

    `check_runs_dir` checks disk space and permissions, the trainer itself the device and its memory.
    """
    found = [memory_finding(Path("/proc/meminfo"), CGROUP), *network_findings(runs), *session_findings()]
    if experiment.compute.loader == "workers" and experiment.compute.workers != 0:
        found.append(shm_finding(SHM))
    yield from (finding for finding in found if finding.status != "ok")
