"""Stand-ins for the programs of SLURM."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.queue import slurm


def pending(
    run: RunDirectory, *, number: str = "12", state: str = "PENDING", reason: str = "Priority"
) -> str:
    """A line of `squeue` about the job of a run."""
    return f"{number}|{state}|{reason}|2026-03-01T12:00:00|{run.path}"


class Slurm:
    """Programs of SLURM that answer with what a test says, and note how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        folder.mkdir()
        self.reports()
        self.answers("sbatch", 'echo "12;cluster"')
        self.answers("scancel", "")
        self.answers("scontrol", "")

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Find these programs, outside a job."""
        monkeypatch.setenv("PATH", f"{self.folder}:/usr/bin:/bin")
        monkeypatch.delenv("SLURM_JOB_ID", raising=False)

    def answers(self, program: str, body: str) -> None:
        path = self.folder / program
        path.write_text(f'#!/bin/sh\necho {program} "$@" >>{shlex.quote(str(self.calls))}\n{body}\n')
        path.chmod(0o755)

    def reports(self, *lines: str) -> None:
        """`squeue` prints these lines from now on."""
        self.answers("squeue", "".join(f"echo {shlex.quote(line)}\n" for line in lines))
        slurm.forget()

    def called(self, program: str) -> list[str]:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if line.startswith(program + " ")]
