"""The signs of life that a run gives between its losses: its embeddings' spectrum, the machine's load.

Both go by the clock, wait for the device only when they are due, and change no bit of the training.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor

from wmse_tui.engine.diagnostics.report import diagnose
from wmse_tui.engine.methods import Method
from wmse_tui.engine.training.cadence import Cadence
from wmse_tui.engine.training.resources import Meter
from wmse_tui.runs.events import Diagnostics, Event

DIAGNOSTICS_SHARE = 200
RESOURCES_SHARE = 500


class Vitals:
    """Looks at a step's embeddings and at the machine when it is time.

    Args:
        method: whose loss gave the embeddings.
        seed: of the run.
        meter: reads the machine.
        write: takes the events.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        method: Method,
        *,
        seed: int,
        meter: Meter,
        write: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._method = method
        self._seed = seed
        self._meter = meter
        self._write = write
        self._clock = clock
        self._diagnostics = Cadence(DIAGNOSTICS_SHARE, clock=clock)
        self._resources = Cadence(RESOURCES_SHARE, clock=clock)

    def after_step(self, embeddings: Tensor, *, step: int, epoch: int, flush: Callable[[], None]) -> None:
        """Look, if it is time, at the `embeddings` (views, batch, dim) of a step that has just been done.

        Args:
            step: the step's number, from 1; `epoch` counts completed epochs.
            flush: writes the losses up to this step, so that the log is in order; what it raises passes.
        """
        if self._diagnostics.due():
            flush()
            before = self._clock()
            self._write(self._diagnosis(embeddings.cpu(), step, epoch))
            self._diagnostics.done(before)
        self.measure(step)

    def measure(self, step: int) -> None:
        """Tell the machine's load, if it is time."""
        if self._resources.due():
            before = self._clock()
            event = self._meter.read(step)
            if event is not None:
                self._write(event)
            self._resources.done(before)

    def _diagnosis(self, embeddings: Tensor, step: int, epoch: int) -> Diagnostics:
        whitened = self._method.whitened(embeddings, step_key=(self._seed, step))
        slices, eps = (None, 0.0) if whitened is None else whitened
        return diagnose(embeddings, space="projector", step=step, epoch=epoch, slices=slices, eps=eps)
