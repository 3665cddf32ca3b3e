"""`wmse-tui show`: a summary of one run."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import replace

from wmse_tui.cli.arguments import Json, Run, RunsDir


def show(run: Run, runs_dir: RunsDir = None, json: Json = False) -> None:
    """Show a run: its status, progress, accuracies and errors."""
    from wmse_tui.cli.locating import find_run
    from wmse_tui.cli.run_report import run_report
    from wmse_tui.runs.state.config import read_configuration
    from wmse_tui.runs.state.to_json import state_to_json
    from wmse_tui.runs.state.transfer_results import KEY, read_transfer, saved_transfer_json
    from wmse_tui.runs.state.watch import view_run

    directory = find_run(run, runs_dir)
    state = view_run(directory)
    if json:
        values = state_to_json(state)
        if transfer := read_transfer(directory):
            values[KEY] = saved_transfer_json(transfer)
        sys.stdout.write(jsonlib.dumps(values, indent=2) + "\n")
        return
    experiment = read_configuration(directory).experiment  # None: damaged, or of another version
    paper = None if experiment is None else experiment.paper
    existing = tuple(saved for saved in state.checkpoints if (directory.checkpoints / saved.file).exists())
    sys.stdout.write(run_report(replace(state, checkpoints=existing), paper, read_transfer(directory)) + "\n")
