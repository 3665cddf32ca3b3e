"""A rank beside the trainer: `python -m wmse_tui.engine.rank RUN_DIR RANK WORLD PORT PARENT DEVICE`.

Started by the trainer alone, whose process is PARENT. A scheduler signals all processes of a job: this one
passes the signal on, for the trainer to save and to end all. A rank that a launcher started is a trainer's
process with another number (`take_part`): the launcher signals rank 0 too.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from wmse_tui.engine.parent_process import end_with_parent
from wmse_tui.engine.process import settle
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.deferred_signals import STOP_SIGNALS, defer_stop_signals
from wmse_tui.runs.process.rank_launcher import Launched


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
    show_stacks_on_request()
    from wmse_tui.engine.training.rank_training import follow_parent

    return leave(follow_parent(path, rank=rank, world=world, port=port, device=device))


def take_part(path: str, launched: Launched) -> NoReturn:
    """As `main`, for a rank that a launcher started; a signal ends it until it has found rank 0."""
    from wmse_tui.engine.distribution.attempt_of_rank_0 import AttemptOfRank0

    attempt = AttemptOfRank0(RunDirectory(Path(path).resolve()))  # before torch is imported
    from wmse_tui.engine.training.rank_training import follow_launched

    leave(follow_launched(attempt, launched))


def show_stacks_on_request() -> None:
    """Let kill -QUIT write the stacks of a process that hangs to its stderr: trainer.log."""
    faulthandler.enable()
    faulthandler.register(signal.SIGQUIT, all_threads=True)


def leave(code: int) -> NoReturn:
    """End this process now: rank 0 waits, and to take all modules apart lasts a second."""
    with suppress(OSError):  # trainer.log on a full disk
        sys.stdout.flush()
    os._exit(code)


def _pass_on_signals(parent: int) -> None:
    while True:
        number = signal.sigwait(STOP_SIGNALS)
        with suppress(ProcessLookupError):
            os.kill(parent, number)


if __name__ == "__main__":
    sys.exit(main())
