"""Diagnostics during training: samples of the embeddings and features, and the machine's load.

They are scheduled by the clock, synchronise with the device only when due, and change no bit of the training.
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
from wmse_tui.engine.training.resources import RESOURCES_SHARE, ResourceMonitor
from wmse_tui.engine.training.time_budget import TimeBudget
from wmse_tui.runs.log.events import Event, NormImportance, NormWeights

DIAGNOSTICS_SHARE = 200


class TrainingDiagnostics:
    """Samples a step's embeddings, its features and the machine's load when they are due.

    Args:
        method: that computed the embeddings, and holds the features of its latest step.
        seed: of the run.
        resources: reads the machine's load.
        write: writes an event to the log.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        method: Method,
        *,
        seed: int,
        resources: ResourceMonitor,
        write: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._method = method
        self._seed = seed
        self._resources = resources
        self._write = write
        self._clock = clock
        self._embeddings_budget = TimeBudget(DIAGNOSTICS_SHARE, clock=clock)
        self._features_budget = TimeBudget(DIAGNOSTICS_SHARE, clock=clock)  # slower: more dimensions
        self._resources_budget = TimeBudget(RESOURCES_SHARE, clock=clock)
        self._whitens = any(isinstance(module, EncoderWhitening) for module in method.encoder.modules())

    def after_step(self, embeddings: Tensor, *, step: int, epoch: int, flush: Callable[[], None]) -> None:
        """Sample the `embeddings` (views, batch, dim) of the step that has just been done, if that is due.

        Args:
            step: the step's number, from 1; `epoch` counts completed epochs.
            flush: writes the losses up to this step, so that the log is in order; what it raises passes.
        """
        samples = [(self._embeddings_budget, self._embedding_events(embeddings, step, epoch))]
        if self._method.features is not None:
            samples.append((self._features_budget, self._feature_events(self._method.features, step, epoch)))
        for budget, events in samples:
            if budget.due():
                flush()
                before = self._clock()
                for event in events:
                    self._write(event)
                budget.done(before)
        self.measure(step)

    def measure(self, step: int) -> None:
        """Report the machine's load, if that is due."""
        if self._resources_budget.due():
            before = self._clock()
            event = self._resources.read(step)
            if event is not None:
                self._write(event)
            self._resources_budget.done(before)

    def _embedding_events(self, embeddings: Tensor, step: int, epoch: int) -> Iterator[Event]:
        embeddings, key = embeddings.cpu(), (self._seed, step)
        factorised = self._method.whitening_input(embeddings, step_key=key)
        slices, eps = (None, 0.0) if factorised is None else factorised
        try:
            whitened = self._method.whitening_output(embeddings, step_key=key)
        except WhiteningFailed:  # on a GPU the loss shows it later
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

    def _feature_events(self, features: Tensor, step: int, epoch: int) -> Iterator[Event]:
        """The features (views, batch, dim) that the step's embeddings came from."""
        features = features.float().cpu()
        whitened = None
        if self._whitens:  # by itself each call of the encoder: a view, or all of them
            whitened = features.flatten(0, 1)[None] if self._method.views_together else features
        yield sample_diagnostics(features, space="features", step=step, epoch=epoch, whitened=whitened)
