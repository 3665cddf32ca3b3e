"""How the attempt of rank 0 ends, read by a rank that a launcher started and that has not found it yet."""

from __future__ import annotations

import sys
from contextlib import suppress

from wmse_tui.engine.errors import RankLost
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.process.liveness import TrainerEvidence, gather_evidence
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
        evidence = gather_evidence(self.run)  # before the log: an exit event precedes the end of the process
        with suppress(StorageError):
            state = self._read()
            if state.attempt <= self._earlier:
                return
            how: str
            if state.exit is not None:
                how = state.exit.status
            elif _was_killed(evidence, state.attempt):
                how = "ended without an exit event"
            else:
                return
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


def _was_killed(evidence: TrainerEvidence, attempt: int) -> bool:
    """Whether the trainer of an attempt was a process of this machine, and is none any more."""
    trainer = evidence.trainer
    return (
        trainer is not None
        and trainer.attempt == attempt
        and evidence.local
        and evidence.lock_held is False
        and evidence.process_running is False
    )
