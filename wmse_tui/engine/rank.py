"""A rank beside the trainer: `python -m wmse_tui.engine.rank RUN_DIR RANK WORLD PORT PARENT DEVICE`.

Started by the trainer alone, whose process is PARENT. A scheduler signals all processes of a job: this one
passes the signal on, for the trainer to save and to end all.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from contextlib import suppress

from wmse_tui.engine.parent_process import end_with_parent
from wmse_tui.engine.process import settle
from wmse_tui.runs.process.deferred_signals import STOP_SIGNALS, defer_stop_signals


def main() -> int:
    """Take part in each step of the trainer until it ends."""
    if len(sys.argv) != 7:
        print("the trainer starts this; see compute.devices", file=sys.stderr)  # noqa: T201
        return 2
    path, device = sys.argv[1], sys.argv[6]
    rank, world, port, parent = map(int, sys.argv[2:6])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    defer_stop_signals()  # for all threads: the main one waits inside torch, where no handler would run
    threading.Thread(target=_pass_on_signals, args=(parent,), daemon=True).start()
    if not end_with_parent(parent):
        return 1
    settle()
    faulthandler.enable()
    faulthandler.register(signal.SIGQUIT, all_threads=True)
    from wmse_tui.engine.training.rank_training import follow_trainer

    code = follow_trainer(path, rank=rank, world=world, port=port, device_type=device)
    with suppress(OSError):  # trainer.log on a full disk
        sys.stdout.flush()
    os._exit(code)  # the trainer waits, and to take all modules apart lasts a second


def _pass_on_signals(parent: int) -> None:
    while True:
        number = signal.sigwait(STOP_SIGNALS)
        with suppress(ProcessLookupError):
            os.kill(parent, number)


if __name__ == "__main__":
    sys.exit(main())
