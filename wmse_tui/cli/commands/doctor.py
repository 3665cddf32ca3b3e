"""`wmse-tui doctor`: check whether this machine can train, and how to fix what is wrong."""

from __future__ import annotations

import json as jsonlib
import sys

import typer

from wmse_tui.cli.arguments import Json, RunsDir
from wmse_tui.cli.exits import ExitCode


def doctor(runs_dir: RunsDir = None, json: Json = False) -> None:
    """Check whether this machine is ready to train.

    Checks Python, torch, devices, memory, disks, locks, queue and data, and prints how to fix what is wrong.
    """
    from wmse_tui.cli.checks.links import link_findings
    from wmse_tui.cli.checks.software import preset_findings, python_findings, torch_findings
    from wmse_tui.cli.checks.storage import queue_finding, storage_findings
    from wmse_tui.cli.checks.system import machine_findings
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.config.locations import data_dir, queue_dir
    from wmse_tui.runs.text.sanitize import safe

    found = []
    for group in (
        python_findings(),
        torch_findings(),
        machine_findings(),
        link_findings(),
        storage_findings(runs_root(runs_dir), data_dir()),
        iter([queue_finding(queue_dir())]),
        preset_findings(),
    ):
        for finding in group:
            found.append(finding)
            if not json:
                sys.stdout.write(safe(f"{finding.status:4}  {finding.name:18}  {finding.text}") + "\n")
                if finding.fix and (finding.status != "ok" or finding.name.startswith(("cuda", "data "))):
                    sys.stdout.write(safe(f"      {'':18}  -> {finding.fix}") + "\n")
                sys.stdout.flush()
    if json:
        sys.stdout.write(jsonlib.dumps([finding.to_dict() for finding in found], indent=2) + "\n")
    if any(finding.status == "fail" for finding in found):
        raise typer.Exit(ExitCode.FAILED)
