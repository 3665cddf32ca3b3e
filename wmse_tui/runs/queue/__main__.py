"""The waiting process: `python -m wmse_tui.runs.queue RUN_DIR TICKET_FD MARK_FD PYTHON`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.queue.waiter import Waiter


def main() -> int:
    """Wait, then become the trainer; returns only where no trainer was started."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run, ticket, mark, python = sys.argv[1:]
    return Waiter(RunDirectory(Path(run)), int(ticket), int(mark), python).wait()


if __name__ == "__main__":
    sys.exit(main())
