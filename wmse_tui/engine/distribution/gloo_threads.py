"""How the threads of gloo are scheduled, which exchange what ranks on CPUs compute."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gloo_threads() -> Iterator[None]:
    """The block in which gloo starts its threads, which interrupt no thread when they wake (SCHED_BATCH).

    gloo's event loop polls without a pause while the thread that sends holds the lock of a connection. Where
    the loop has interrupted that thread on its own core, both make no progress until the scheduler's next
    tick, 4 ms at 250 Hz, in which two ranks on two cores spent every second small exchange. The weight of a
    thread beside other processes does not change.
    """
    try:
        policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
        if policy == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, parameters)
    except (AttributeError, OSError):  # another system; a sandbox that forbids the call: only slower
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)
