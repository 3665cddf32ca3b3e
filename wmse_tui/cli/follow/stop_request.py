"""Stopping a trainer: a control request first, a signal where it does not answer.

The request is a file that the trainer polls for between steps. A trainer that is still starting refuses the
requests it finds, and one that hangs never reads them: so a refused request is repeated, and after a timeout
SIGTERM is sent, but only to a process that is proven to be this run's trainer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from subprocess import Popen

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.signalling import send_request, terminate_trainer
from wmse_tui.runs.state.run import RunState

ANSWER_SECONDS = 6.0


class StopRequest:
    """One stop, from the first request to the signal.

    Args:
        run: the run to stop.
        command: "stop" or "stop_after_epoch".
        trainer: the trainer's process where it is our own child.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        run: RunDirectory,
        *,
        command: str = "stop",
        trainer: Popen[bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._command = command
        self._trainer = trainer
        self._clock = clock
        self._requested_at = clock()
        self.answer = ""
        self._id = send_request(run, command, by="cli")
        self.signalled = not self._id

    def advance(self, state: RunState) -> str:
        """Check for the answer, repeat the request or send the signal; return a message to show, or ""."""
        if self.answer or self.signalled:
            return ""
        for control in state.controls:
            if control.id == self._id:
                if control.outcome == "refused":
                    self._id = send_request(self._run, self._command, by="cli")
                    self.signalled = not self._id
                    return ""
                self.answer = control.text or control.outcome
                return f"the trainer answered: {self.answer}"
        if self._clock() - self._requested_at < ANSWER_SECONDS or self._command != "stop":
            return ""
        return self.signal()

    def signal(self) -> str:
        """Send SIGTERM to the trainer; return the message for the user."""
        self.signalled = True
        if self._trainer is not None:
            self._trainer.terminate()  # our own child, not yet waited for: the pid cannot have been reused
            return "no answer yet: SIGTERM sent to the trainer"
        if terminate_trainer(self._run):
            return "no answer yet: SIGTERM sent to the trainer"
        return "no answer, and the trainer's process cannot be identified from here: still waiting"
