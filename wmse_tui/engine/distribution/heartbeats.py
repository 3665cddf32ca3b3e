"""Signs of life: each rank counts up in the store, so that one that is stopped shows in seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from wmse_tui.engine.distribution.roster import Roster

BEAT_SECONDS = 0.5
SILENT_BEATS = 12
"""Beats of our own without one of another rank, after which it is silent. Counted, not timed: where all ranks
are suspended together, as by a scheduler, nothing is lost."""
SILENT_SECONDS = SILENT_BEATS * BEAT_SECONDS


class Heartbeats:
    """Two threads: one that beats and reads what others beat, one that counts how long nothing was read.

    Args:
        roster: of this rank.
        watched: the ranks whose silence matters.
        silent: called once, for the first of them that beats no more; also where rank 0 has ended, which
            serves the store. A rank that has never beaten is still starting.
    """

    def __init__(self, roster: Roster, watched: Iterable[int], silent: Callable[[int], None]) -> None:
        self._rank = roster.rank
        self._store = roster.another_connection()
        self._counts = dict.fromkeys(watched, 0)
        self._missed = dict.fromkeys(self._counts, 0)
        self._silent = silent
        self._ended = threading.Event()
        self._disconnected = False
        for body in (self._beat, self._watch):
            threading.Thread(target=body, name="heartbeats", daemon=True).start()

    def end(self) -> None:
        """Count no more."""
        self._ended.set()

    def _beat(self) -> None:
        try:
            while not self._ended.is_set():
                self._store.add(f"alive/{self._rank}", 1)
                for rank, before in self._counts.items():
                    self._counts[rank] = self._store.add(f"alive/{rank}", 0)
                    if self._counts[rank] != before:
                        self._missed[rank] = 0
                time.sleep(BEAT_SECONDS)
        except RuntimeError:  # of torch: the store is not there any more
            self._disconnected = True

    def _watch(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            for rank, count in self._counts.items():
                self._missed[rank] += bool(count)
                if self._missed[rank] > SILENT_BEATS or self._disconnected:
                    self._silent(rank)
                    return
