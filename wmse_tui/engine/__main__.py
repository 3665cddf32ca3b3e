"""The trainer: `python -m wmse_tui.engine RUN_DIR` makes one attempt at a run and exits with its code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from wmse_tui.engine.process import settle
from wmse_tui.engine.rank import show_stacks_on_request, take_part
from wmse_tui.engine.stop_signals import StopSignals
from wmse_tui.runs.process.cores import cores_divided
from wmse_tui.runs.process.rank_launcher import Launched, launched_by, tasks_on_same_cores


def main() -> int:
    """Train the run whose directory is the only argument, as one of several ranks if a launcher says so."""
    if len(sys.argv) != 2:
        print("usage: python -m wmse_tui.engine RUN_DIR", file=sys.stderr)  # noqa: T201
        return 2
    launched = launched_by(os.environ)
    with cores_divided(tasks_on_same_cores(os.environ)):
        return _train(sys.argv[1], launched)


def _train(path: str, launched: Launched | None) -> int:
    if launched is not None and launched.rank:
        settle()
        show_stacks_on_request()
        take_part(path, launched)
    signals = StopSignals()
    signals.listen()  # before torch is imported, which takes seconds
    settle()
    show_stacks_on_request()
    from wmse_tui.engine.training.session import run_session

    code = run_session(path, signals, launched)
    from wmse_tui.engine.training.polled import work_is_left

    if work_is_left():
        with suppress(OSError):  # trainer.log on a full disk
            sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
