"""How the attempt of rank 0 ends, read by a rank that a launcher started and that has not found it yet."""

from __future__ import annotations

import sys
from contextlib import suppress

from wmse_tui.engine.errors import RankLost
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, StorageError
from wmse_tui.runs.process.identity import is_running, read_trainer
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.state.folded_log import FoldedLog
from wmse_tui.runs.state.run import RunState


class AttemptOfRank0:
    """The next attempt at a run, which is that of this rank's launch.

    Attempts are distinguished by their numbers, so clocks of machines may differ. One that was in the log
    when this object was made may be an earlier one that is just ending, and rank 0 yet to come: it shows
    nothing. So make the object as soon as the process begins, before torch is imported, which rank 0 imports
    before it writes anything.

    Args:
        run: the run's directory, which rank 0 may not have made yet.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._log = FoldedLog(run)
        try:
            self._earlier = self._read().attempt
        except StorageError:
            self._earlier = sys.maxsize  # no attempt is known to be a later one

    def require_not_ended(self, rank: int, world: int) -> None:
        """Refuse to wait for a rank 0 that has ended.

        Args:
            rank, world: which of how many ranks waits.

        Raises:
            RankLost: it has ended; with the reason that it wrote into the log.
        """
        with suppress(StorageError, LocksUnsupported):
            state = self._read()
            if state.attempt <= self._earlier:
                return
            if state.exit is None:
                if not self._was_killed(state.attempt):
                    return
                state = self._read()  # an exit event precedes the end of the process
            how = "ended without an exit event" if state.exit is None else state.exit.status
            error = state.error
            reason = () if error is None else filter(None, (error.title, error.detail))
            raise RankLost(
                f"rank {rank} of {world} has no rank 0",
                ": ".join((f"attempt {state.attempt} {how}", *reason)),
                next=(*(() if error is None else error.next), f"then start all ranks again: {self.run.path}"),
            )

    def _read(self) -> RunState:
        self._log.read_block()
        while self._log.behind:
            self._log.read_block()
        return self._log.state

    def _was_killed(self, attempt: int) -> bool:
        """Whether the trainer of an attempt was a process of this machine, and is none any more.

        Raises:
            LocksUnsupported, StorageError: that cannot be known.
        """
        trainer = read_trainer(self.run)
        return (
            trainer is not None
            and trainer.attempt == attempt
            and trainer.process is not None
            and is_running(trainer.process) is False
            and not held(self.run.lock)  # of a container with processes of its own, that is seen
        )
