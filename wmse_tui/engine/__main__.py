"""The trainer: `python -m wmse_tui.engine RUN_DIR` makes one attempt at a run and exits with its code."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from contextlib import suppress

from wmse_tui.engine.process import settle
from wmse_tui.engine.stop_signals import StopSignals


def main() -> int:
    """Train the run whose directory is the only argument."""
    if len(sys.argv) != 2:
        print("usage: python -m wmse_tui.engine RUN_DIR", file=sys.stderr)  # noqa: T201
        return 2
    signals = StopSignals()
    signals.listen()  # before torch is imported, which takes seconds
    settle()
    # The stacks of a trainer that hangs: kill -QUIT writes them into trainer.log.
    faulthandler.enable()
    faulthandler.register(signal.SIGQUIT, all_threads=True)
    from wmse_tui.engine.training.session import run_session

    code = run_session(sys.argv[1], signals)
    from wmse_tui.engine.training.polled import work_is_left

    if work_is_left():
        with suppress(OSError):  # trainer.log on a full disk
            sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
