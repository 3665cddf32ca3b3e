"""Following a run: look, show, listen for signals, until it ends or the follower leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen
from typing import Protocol

from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.signals import Signals, exit_for
from wmse_tui.cli.follow.stop_request import StopRequest
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Exit as ExitEvent
from wmse_tui.runs.log.events import Record
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.watch import RunWatcher

POLL_SECONDS = 0.2
SETTLE_SECONDS = 1.0


class Display(Protocol):
    """What shows a followed run."""

    def show(self, view: RunState, records: tuple[Record, ...]) -> None:
        """Take the newest view and the records that are new since the last call."""

    def tell(self, text: str) -> None:
        """Narrate what the command itself does."""

    def close(self) -> None:
        """Leave the terminal as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How the following ended.

    `code` is the command's exit status. `left` is true when the run may still go on, and `asked` when it was
    asked to stop before that. `died` is true when the trainer ended without saying so in the log; `status` is
    its process's exit status then, negative for a signal, where the trainer is our own child.
    """

    view: RunState
    code: ExitCode
    left: bool = False
    asked: bool = False
    died: bool = False
    status: int | None = None


class Follower:
    """Follows one run.

    Args:
        run: the run's directory.
        display: what shows it.
        trainer: the trainer's process when this command started it; None to follow somebody else's.
        stops: whether Ctrl-C and SIGTERM stop the run (`run`, `resume`) or only the following (`attach`).
        since: records of attempts up to this one are history: not shown, and their end is not this one's.
        wait: sleeps between looks, in seconds.
    """

    def __init__(
        self,
        run: RunDirectory,
        display: Display,
        *,
        trainer: Popen[bytes] | None = None,
        stops: bool,
        since: int = 0,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._display = display
        self._trainer = trainer
        self._stops = stops
        self._since = since
        self._wait = wait
        self._clock = clock
        self._records: list[Record] = []  # read, and not yet shown
        self._watcher = RunWatcher(run, records=self._records)
        self._end: ExitEvent | None = None
        self._begun = False
        self._gone_at: float | None = None
        self._stopping: StopRequest | None = None
        self._interrupted = 0

    def follow(self, signals: Signals) -> Followed:
        """Show the run until it ends, or until a signal, noted already or yet to come, says to leave."""
        try:
            return self._follow(signals)
        finally:
            self._display.close()

    def poll(self) -> RunState:
        """The run as it is now; what is read of its log is shown by `follow`."""
        return self._watcher.poll()

    def _follow(self, signals: Signals) -> Followed:
        while True:
            exited = (
                self._trainer is not None and self._trainer.poll() is not None
            )  # asked before the last look
            view = self._look()
            if self._over(view, exited=exited):
                return self._ended(view)
            for number in signals.take():
                if self._leaves(number):
                    code = exit_for(self._interrupted or number)
                    return Followed(view=view, code=code, left=True, asked=self._stopping is not None)
            if self._stopping is not None:
                news = self._stopping.advance(view)
                if news:
                    self._display.tell(news)
            self._wait(POLL_SECONDS)

    def _look(self) -> RunState:
        view = self.poll()
        records = tuple(record for record in self._records if record.attempt > self._since)
        self._records.clear()
        for record in records:
            self._begun = True
            # A later attempt, started by somebody else, takes an earlier end back.
            self._end = record.event if isinstance(record.event, ExitEvent) else None
        self._display.show(view, records)
        return view

    def _over(self, view: RunState, *, exited: bool) -> bool:
        """Tell whether nothing more will come."""
        if self._trainer is not None:
            return exited
        if not view.ended:
            self._gone_at = None
            return False
        if self._end is not None:
            return True
        # The lock is free and no end is told: give a trainer that is leaving, or starting, a moment.
        now = self._clock()
        if self._gone_at is None:
            self._gone_at = now
        return now - self._gone_at >= SETTLE_SECONDS

    def _leaves(self, number: int) -> bool:
        """Act on a signal; true when the following ends here although the run may go on."""
        if not self._stops:
            return True
        if self._stopping is None:
            self._interrupted = number
            self._display.tell("stopping: the trainer saves and leaves (Ctrl-C again: do not wait for it)")
            self._stopping = StopRequest(self._run, trainer=self._trainer, clock=self._clock)
            if not self._begun and self._trainer is not None:
                self._stopping.signal()  # it has not begun to listen, and there is nothing to save
            return False
        return exit_for(number) is ExitCode.INTERRUPTED

    def _ended(self, view: RunState) -> Followed:
        if self._end is not None:
            code = ExitCode.of_status(self._end.status)
            if self._interrupted and code is ExitCode.STOPPED:
                code = exit_for(self._interrupted)
            return Followed(view=view, code=code)
        status = self._trainer.returncode if self._trainer is not None else None
        if status == ExitCode.BUSY:
            return Followed(view=view, code=ExitCode.BUSY, left=True)
        code = exit_for(self._interrupted) if self._interrupted else ExitCode.FAILED
        return Followed(view=view, code=code, died=True, status=status)
