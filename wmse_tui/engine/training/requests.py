"""Signals and control files by which people and schedulers steer a trainer, polled between steps."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

from wmse_tui.engine.stop_signals import StopSignals
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Control, Event, Phase
from wmse_tui.runs.process.control import ControlRequest, claim, pending
from wmse_tui.runs.process.identity import read_trainer

Outcome: TypeAlias = Literal["done", "accepted", "refused"]

POLL_SECONDS = 0.5
"""Seconds between polls of the control folder; shorter would cost system calls in every step."""


class StopRequested(Exception):
    """A control request or a signal stops the trainer: it saves and exits."""


class Requests:
    """Signals and control requests of one attempt.

    `poll` reads the control folder, answers every request with a `control` event, and records what the loop
    has to do at its next boundary in plain attributes. It also calls `watch`, which may raise.
    """

    def __init__(
        self, locate: Callable[[], RunDirectory], write: Callable[[Event], None], signals: StopSignals
    ) -> None:
        self._locate = locate
        self._write = write
        self._signals = signals
        self._polled = 0.0
        self.watch: Callable[[], None] = lambda: None
        self.stop: str = ""
        self.stop_after_epoch = False
        self.paused = False
        self.checkpoint: list[str] = []
        self.evaluate: list[str] = []

    def refuse_stale(self) -> None:
        """Refuse requests to an earlier attempt: an old `stop` must not end this one."""
        run = self._locate()
        launch = read_trainer(run)
        # A launch without a trainer yet is ours: requests since then are meant for this attempt.
        began = launch.time if launch is not None and launch.process is None else time.time()
        for request in pending(run):
            if request.time < began:
                self._answer(request.id, request.command, "refused", "came before this attempt began")
                claim(run, request)

    def stop_requested(self) -> bool:
        """Whether to save and exit; cheap enough for every step and every chunk of an evaluation."""
        self.poll()
        return bool(self.stop)

    def raise_if_stopped(self) -> None:
        """Raise StopRequested if a stop was requested: for work that cannot be resumed half-way."""
        if self.stop_requested():
            raise StopRequested(self.stop)

    def poll(self) -> None:
        """Read new requests, at most every `POLL_SECONDS`."""
        if self._signals.number is not None and not self.stop:
            self.stop = signal.Signals(self._signals.number).name
        now = time.monotonic()
        if now - self._polled < POLL_SECONDS:
            return
        self._polled = now
        self.watch()
        run = self._locate()
        for request in pending(run):
            outcome, text = self._obey(request)
            # Answered first, removed second: a request may be answered twice after a crash, never lost.
            self._answer(request.id, request.command, outcome, text)
            claim(run, request)

    def _answer(self, request_id: str, command: str, outcome: Outcome, text: str) -> None:
        self._write(Control(id=request_id, command=command, outcome=outcome, text=text))

    def _obey(self, request: ControlRequest) -> tuple[Outcome, str]:
        if request.problem:
            return "refused", request.problem
        match request.command:
            case "stop":
                self.stop = "requested"
                return "accepted", "saving, then exiting"
            case "stop_after_epoch":
                self.stop_after_epoch = True
                return "accepted", "exiting after this epoch"
            case "pause":
                self.paused = True
                return "accepted", "pausing at the next step"
            case "resume":
                was_paused, self.paused = self.paused, False
                return ("done", "training continues") if was_paused else ("refused", "the run is not paused")
            case "checkpoint":
                self.checkpoint.append(request.id)
                return "accepted", "saving at the next step"
            case "evaluate":
                self.evaluate.append(request.id)
                return "accepted", "evaluating at the next step"
        return "refused", f"unknown command {request.command!r}"

    def answer(self, ids: list[str], command: str, outcome: Outcome, text: str) -> None:
        """Report the outcome of requests that were accepted."""
        for request_id in ids:
            self._answer(request_id, command, outcome, text)
        ids.clear()

    def wait_while_paused(self) -> None:
        """Sleep until the run is resumed or stopped; reports both as phases."""
        if not self.paused:
            return
        self._write(Phase(name="paused"))
        while self.paused and not self.stop_requested():
            time.sleep(POLL_SECONDS / 2)
        self._write(Phase(name="train"))
