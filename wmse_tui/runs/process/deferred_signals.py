"""The signals that mean "save and exit", and how they reach a trainer that is not ready for them yet."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""A scheduler warns with one of the last two before it ends a job (SLURM: `--signal=B:USR1@120`)."""
TERMINATING = tuple(number for number in STOP_SIGNALS if number != signal.SIGINT)
"""Those that a scheduler, `systemctl stop` and a shutdown send to every process of a job."""
ENDING_SIGNALS = (*STOP_SIGNALS, signal.SIGHUP)
"""With the hang-up of a terminal: all that may end a process in order."""


def defer_stop_signals() -> None:
    """Block them in this thread: the program it starts, or becomes, gets them once it unblocks them.

    An interpreter needs a moment, on a slow file system seconds, before it can install a handler; a signal
    that arrives earlier would end it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)


@contextmanager
def deferred_stop_signals() -> Iterator[None]:
    """Block them for the programs that are started meanwhile, and for no longer in this thread."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
