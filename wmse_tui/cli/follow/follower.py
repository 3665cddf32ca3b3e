"""Following a run: poll, show, handle signals, until the run ends or the command leaves it."""

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
    """Shows a followed run."""

    def show(self, state: RunState, records: tuple[Record, ...], *, more: bool = False) -> None:
        """Show the newest state and the records that are new since the last call.

        Args:
            state: of the log as far as it was read.
            records: the new ones.
            more: a long log is being read, and further records follow at once.
        """

    def message(self, text: str) -> None:
        """Show a message of the command itself."""

    def close(self) -> None:
        """Leave the terminal as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How the following ended.

    Args:
        state: the run's last state.
        code: the command's exit code.
        left: the run may still continue.
        stopping: with `left`: a stop was requested before.
        without_exit_event: the trainer ended without an exit event in the log.
        process_status: with `without_exit_event`, where the trainer is a child of this process: its exit
            status, -N for signal N.
    """

    state: RunState
    code: ExitCode
    left: bool = False
    stopping: bool = False
    without_exit_event: bool = False
    process_status: int | None = None


class Follower:
    """Follows one run.

    Args:
        run: the run's directory.
        display: what shows it.
        trainer: the trainer's process where this command started it; None where another process did.
        stops: whether Ctrl-C and SIGTERM stop the run (`run`, `resume`) or only the following (`attach`).
        since: records of attempts up to this one are not shown, and their exit events do not count.
        wait: sleeps between polls, in seconds.
        clock: monotonic seconds.
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
        self._exit_event: ExitEvent | None = None
        self._started = False
        self._ended_at: float | None = None
        self._stop: StopRequest | None = None
        self._interrupted = 0

    def poll(self) -> RunState:
        """Return the run's state, of a long log that of its beginning; `follow` shows what is read here."""
        return self._watcher.poll(budget_seconds=0.0)

    def follow(self, signals: Signals) -> Followed:
        """Show the run until it ends, or until a signal, pending or later, ends the following."""
        try:
            return self._follow(signals)
        finally:
            self._display.close()

    def _follow(self, signals: Signals) -> Followed:
        while True:
            exited = self._trainer is not None and self._trainer.poll() is not None  # before the last poll
            state = self._show()
            if self._over(state, exited=exited):
                return self._ended(state)
            for number in signals.take():
                if self._leaves(number):
                    code = exit_for(self._interrupted or number)
                    return Followed(state=state, code=code, left=True, stopping=self._stop is not None)
            if self._stop is not None:
                message = self._stop.advance(state)
                if message:
                    self._display.message(message)
            self._wait(POLL_SECONDS)

    def _show(self) -> RunState:
        """Read and show the log to its end, a part at a time: a long one need not fit in memory."""
        while True:
            state = self.poll()
            more = self._watcher.behind is not None
            self._show_new(state, more=more)
            if not more:
                return state

    def _show_new(self, state: RunState, *, more: bool) -> None:
        records = tuple(record for record in self._records if record.attempt > self._since)
        self._records.clear()
        for record in records:
            self._started = True
            # A later attempt, started by another process, cancels an earlier exit event.
            self._exit_event = record.event if isinstance(record.event, ExitEvent) else None
        self._display.show(state, records, more=more)

    def _over(self, state: RunState, *, exited: bool) -> bool:
        """Whether no more records will come."""
        if self._trainer is not None:
            return exited
        if not state.ended:
            self._ended_at = None
            return False
        if self._exit_event is not None:
            return True
        # The lock is free without an exit event: a trainer may still be exiting, or starting.
        now = self._clock()
        if self._ended_at is None:
            self._ended_at = now
        return now - self._ended_at >= SETTLE_SECONDS

    def _leaves(self, number: int) -> bool:
        """Act on a signal; true when the following ends here although the run may continue."""
        if not self._stops:
            return True
        if self._stop is None:
            self._interrupted = number
            self._display.message("stopping: the trainer saves and exits (Ctrl-C again: do not wait for it)")
            self._stop = StopRequest(self._run, trainer=self._trainer, clock=self._clock)
            if not self._started and self._trainer is not None:
                self._stop.signal()  # it does not read requests yet, and there is nothing to save
            return False
        return exit_for(number) is ExitCode.INTERRUPTED

    def _ended(self, state: RunState) -> Followed:
        if self._exit_event is not None:
            code = ExitCode.of_status(self._exit_event.status)
            if self._interrupted and code is ExitCode.STOPPED:
                code = exit_for(self._interrupted)
            return Followed(state=state, code=code)
        status = self._trainer.returncode if self._trainer is not None else None
        if status == ExitCode.BUSY:
            return Followed(state=state, code=ExitCode.BUSY, left=True)
        code = exit_for(self._interrupted) if self._interrupted else ExitCode.FAILED
        return Followed(state=state, code=code, without_exit_event=True, process_status=status)
