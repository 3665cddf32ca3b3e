"""What each rank other than 0 uses of its machine: read in a thread of the rank, and stored for rank 0.

Rank 0 reads the store when it reports its own load, so nothing in a step waits for it, and ranks of other
machines report as those of this one.
"""

from __future__ import annotations

import threading
import time

import torch

from wmse_tui.engine.distribution.heartbeats import BEAT_SECONDS
from wmse_tui.engine.distribution.main_thread import judged_task
from wmse_tui.engine.distribution.roster import Roster
from wmse_tui.engine.training.resources import RESOURCES_SHARE, ResourceMonitor, load_of_rank
from wmse_tui.engine.training.time_budget import TimeBudget


class LoadReports:
    """Reports the load of this rank, about as often as rank 0 writes its own to the log.

    A rank whose main thread hangs is recognised by the idleness of its process. So nothing is read twice in
    one task, which may hang.

    Args:
        roster: of this rank.
        device: of this rank.
    """

    def __init__(self, roster: Roster, device: torch.device) -> None:
        self._roster = Roster(roster.another_connection(), roster.rank, roster.world)
        self._monitor = ResourceMonitor(device, shares_pages=True)
        self._ended = threading.Event()
        threading.Thread(target=self._report, name="load reports", daemon=True).start()

    def end(self) -> None:
        """Report no more."""
        self._ended.set()

    def _report(self) -> None:
        budget, task = TimeBudget(RESOURCES_SHARE), judged_task()
        while not self._ended.wait(BEAT_SECONDS):
            before, task = task, judged_task()
            if not budget.due() or (task is not None and task == before):
                continue
            began = time.monotonic()
            read = self._monitor.read(0)
            if read is None:
                return
            try:
                self._roster.report_load(load_of_rank(self._roster.rank, read))
            except RuntimeError:  # of torch: the store is not there any more
                return
            budget.done(began)
