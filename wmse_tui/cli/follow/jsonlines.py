"""A followed run as JSON lines: every record of the log as it is written, and a summary at the end."""

from __future__ import annotations

import json
import sys
from typing import Any

from wmse_tui.cli.exits import ExitCode
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Record
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.table.index import run_row


class JsonDisplay:
    """Writes one JSON object a line to stdout; messages go to stderr like everywhere else."""

    def show(self, state: RunState, records: tuple[Record, ...], *, more: bool = False) -> None:  # noqa: ARG002
        """Print the new records as they are in the log."""
        for record in records:
            sys.stdout.write(encode(record).rstrip("\n") + "\n")
        if records:
            sys.stdout.flush()

    def message(self, text: str) -> None:
        """Print on stderr."""
        from wmse_tui.cli.console import print_message

        print_message(text)

    def close(self) -> None:
        """There is nothing to close."""


def summary(run: RunDirectory, state: RunState, code: ExitCode, *, removed: bool = False) -> dict[str, Any]:
    """Return the last object of `--json`: how the command ended and what the run has reached.

    Accuracies are fractions in [0, 1]; `path` is null when the run was removed.
    """
    row, final, error = run_row(state), state.final, state.error
    return {
        "type": "summary",
        "run": run.id,
        "path": None if removed else str(run.path),
        "state": row.status,
        "exit_code": int(code),
        "epoch": row.epoch,
        "epochs": row.epochs,
        "step": row.step,
        "knn": row.final_knn,
        "linear": row.final_linear,
        "linear_top5": final.linear_top5 if final is not None else None,
        "best_knn": row.best_knn,
        "best_linear": row.best_linear,
        "error": None
        if error is None
        else {
            "code": error.code,
            "title": error.title,
            "detail": error.detail,
            "saved": error.saved,
            "next": list(error.next),
        },
    }


def write_object(value: dict[str, Any]) -> None:
    """Print one JSON object as one line."""
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")
    sys.stdout.flush()
