"""How the threads are scheduled that exchange what ranks compute, and the thread that computes it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from forked_ranks import ForkedRanks

from wmse_tui.engine.distribution.ranks import Group


def policies(_: Group) -> None:
    """The policy of each thread of a rank, by its name."""
    assert os.sched_getscheduler(threading.get_native_id()) == os.SCHED_OTHER
    threads = Path("/proc/self/task").iterdir()
    names = {int(thread.name): (thread / "comm").read_text().strip() for thread in threads}
    of_gloo = [os.sched_getscheduler(thread) for thread, name in names.items() if "gloo" in name]
    assert set(of_gloo) == {os.SCHED_BATCH}, names


@pytest.mark.parametrize("ranks", [2], indirect=True)
def test_only_the_threads_of_gloo_are_scheduled_as_batch_work(ranks: ForkedRanks) -> None:
    ranks.run(policies)
