"""The signs of life that a run gives between its losses: what becomes of its embeddings, the machine's load.

They go by the clock, wait for the device only when they are due, and change no bit of the training.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from torch import Tensor

from wmse_tui.engine.diagnostics.sample import sample_diagnostics
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.methods import Method
from wmse_tui.engine.models.encoder_whitening import EncoderWhitening
from wmse_tui.engine.models.switchable_whitening import importance_of
from wmse_tui.engine.training.resources import Meter
from wmse_tui.engine.training.time_budget import TimeBudget
from wmse_tui.runs.log.events import Event, NormImportance, NormWeights

DIAGNOSTICS_SHARE = 200
RESOURCES_SHARE = 500


class TrainingDiagnostics:
    """Looks at a step's embeddings, its features and the machine when it is time.

    Args:
        method: whose loss gave the embeddings, and which keeps the features of its latest step.
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
        self._diagnostics = TimeBudget(DIAGNOSTICS_SHARE, clock=clock)
        self._of_features = TimeBudget(DIAGNOSTICS_SHARE, clock=clock)  # dearer: more dimensions
        self._resources = TimeBudget(RESOURCES_SHARE, clock=clock)
        self._whitens = any(isinstance(module, EncoderWhitening) for module in method.encoder.modules())

    def after_step(self, embeddings: Tensor, *, step: int, epoch: int, flush: Callable[[], None]) -> None:
        """Look, if it is time, at the `embeddings` (views, batch, dim) of a step that has just been done.

        Args:
            step: the step's number, from 1; `epoch` counts completed epochs.
            flush: writes the losses up to this step, so that the log is in order; what it raises passes.
        """
        looks = [(self._diagnostics, self._of_embeddings(embeddings, step, epoch))]
        if self._method.features is not None:
            looks.append((self._of_features, self._of_encoder(self._method.features, step, epoch)))
        for cadence, events in looks:
            if cadence.due():
                flush()
                before = self._clock()
                for event in events:
                    self._write(event)
                cadence.done(before)
        self.measure(step)

    def measure(self, step: int) -> None:
        """Tell the machine's load, if it is time."""
        if self._resources.due():
            before = self._clock()
            event = self._meter.read(step)
            if event is not None:
                self._write(event)
            self._resources.done(before)

    def _of_embeddings(self, embeddings: Tensor, step: int, epoch: int) -> Iterator[Event]:
        embeddings, key = embeddings.cpu(), (self._seed, step)
        factorised = self._method.whitening_input(embeddings, step_key=key)
        slices, eps = (None, 0.0) if factorised is None else factorised
        try:
            whitened = self._method.whitening_output(embeddings, step_key=key)
        except WhiteningFailed:  # on a GPU it is found out later, with the loss
            whitened = None
        yield sample_diagnostics(
            embeddings, space="projector", step=step, epoch=epoch, slices=slices, eps=eps, whitened=whitened
        )
        found = importance_of(self._method.encoder)
        if found:
            layers = tuple(
                NormImportance(one.layer, one.statistics, one.means, one.covariances) for one in found
            )
            yield NormWeights(step=step, epoch=epoch, layers=layers)

    def _of_encoder(self, features: Tensor, step: int, epoch: int) -> Iterator[Event]:
        """The features (views, batch, dim) that the step's embeddings came from."""
        features = features.float().cpu()
        whitened = None
        if self._whitens:  # by itself each call of the encoder: a view, or all of them
            whitened = features.flatten(0, 1)[None] if self._method.views_together else features
        yield sample_diagnostics(features, space="features", step=step, epoch=epoch, whitened=whitened)
