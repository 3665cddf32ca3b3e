"""The checks of `doctor` that are cheap enough to run before every start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wmse_tui.cli.checks.finding import Finding
from wmse_tui.cli.checks.software import torch_findings
from wmse_tui.cli.checks.storage import network_findings
from wmse_tui.cli.checks.system import (
    CGROUP,
    SHM,
    has_nvidia_gpu,
    memory_finding,
    session_findings,
    shm_finding,
)
from wmse_tui.config.schema import Experiment


def warnings_before_start(experiment: Experiment, runs: Path) -> Iterator[Finding]:
    """Yield what may make this run fail on this machine; the run is started all the same.

    `check_runs_dir` checks disk space and permissions, the trainer itself the device and its memory.
    """
    found = [memory_finding(Path("/proc/meminfo"), CGROUP), *network_findings(runs), *session_findings()]
    if experiment.compute.loader == "workers" and experiment.compute.workers != 0:
        found.append(shm_finding(SHM))
    yield from (finding for finding in found if finding.status != "ok")


HIDDEN = frozenset({"", "-1", "none", "void"})
"""Values of CUDA_VISIBLE_DEVICES that hide every GPU: the user's own choice."""


def unusable_gpu(experiment: Experiment, argv: list[str] | None = None) -> Finding | None:
    """Return why the GPU of this machine would not be used by `compute.device=auto`, if so.

    A process of its own imports torch to find out, which takes seconds: only where there is a GPU.

    Args:
        experiment: the complete configuration.
        argv: as of `torch_findings`.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in HIDDEN
    if experiment.compute.device != "auto" or hidden or not has_nvidia_gpu():
        return None
    found = (finding for finding in torch_findings(argv) if finding.name == "cuda")
    return next((finding for finding in found if finding.status == "warn"), None)
