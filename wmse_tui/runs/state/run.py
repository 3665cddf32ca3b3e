"""Immutable snapshot of a run, reduced from its event log.

The app, the headless output, `show --json` and the tests read this object and nothing else. It is made
by `fold` from the records and completed by `RunWatcher` with what the log does not have: the status, and the
number of lines that could not be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wmse_tui.config.rebindable import REBINDABLE
from wmse_tui.runs.log.events import (
    Artifact,
    Attempt,
    Checkpoint,
    Control,
    Damaged,
    DamagedFile,
    Diagnostics,
    Epoch,
    Error,
    Evaluation,
    Exit,
    NormWeights,
    Notice,
    Phase,
    Resources,
)
from wmse_tui.runs.state.config import ConfigSummary
from wmse_tui.runs.state.series import Series
from wmse_tui.runs.state.sparse_series import SparseSeries
from wmse_tui.runs.state.status import ENDED, Status
from wmse_tui.runs.state.throughput import Throughput

LONGEST = 1e10  # seconds of an attempt: three hundred years

# A next step of an error that changes the experiment.
_OTHER_CONFIGURATION = re.compile(rf"new run|--set (?!({'|'.join(map(re.escape, REBINDABLE))})\b)")
_NO_SUMMARY = ConfigSummary()
_NO_PACE = Throughput()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A snapshot of a run; times are unix seconds, accuracies fractions, and all collections immutable."""

    run_id: str = ""
    path: str = ""
    summary: ConfigSummary = _NO_SUMMARY
    status: Status = "new"
    status_reason: str = ""
    position: int = 0  # in the queue, from 1; 0 where it does not wait

    seq: int = 0  # of the last record
    attempt: int = 0
    started: float | None = None  # the first record
    attempt_started: float | None = None
    updated: float | None = None  # the last record
    setup: Attempt | None = None  # device, loader, splits, host: as the latest attempt reported them

    phase: Phase | None = None
    step: int = 0
    epoch: int = 0  # completed
    loss: Series = Series.EMPTY
    lr: float | None = None
    parts: tuple[tuple[str, float | None], ...] = ()  # of the loss, at the last step
    images_per_second: float | None = None
    pace: Throughput = _NO_PACE
    rates: SparseSeries = SparseSeries.EMPTY  # the learning rate by step
    speeds: SparseSeries = SparseSeries.EMPTY  # images per second by step
    clock: SparseSeries = SparseSeries.EMPTY  # seconds of the trainers' time by step, see `elapsed`
    elapsed_before: float = 0.0  # seconds of the earlier attempts

    epoch_rows: Sequence[Epoch] = ()
    evaluations: Sequence[Evaluation] = ()
    diagnostics: Sequence[Diagnostics] = ()  # the spectrum only in the newest of each space
    norm_weights: NormWeights | None = None  # the newest of switchable whitening
    resource_rows: tuple[Resources, ...] = ()  # of this attempt, evenly over its steps
    artifacts: Sequence[Artifact] = ()  # the newest of each file
    checkpoints: Sequence[Checkpoint] = ()
    notices: tuple[Notice, ...] = ()
    damaged: Damaged | None = None  # the newest of this attempt
    damaged_files: tuple[DamagedFile, ...] = ()  # all that the run has named, in errors too
    controls: tuple[Control, ...] = ()
    error: Error | None = None
    exit: Exit | None = None

    unreadable: int = 0  # lines and records that could not be used
    missing: int = 0  # records that the numbering says should be there

    @property
    def epochs(self) -> int:
        """Epochs of the whole run; 0 where they are unknown yet."""
        return self.setup.epochs if self.setup is not None else self.summary.epochs

    @property
    def total_steps(self) -> int:
        """Steps of the whole run; 0 before the trainer has counted the images."""
        return self.setup.epochs * self.setup.steps_per_epoch if self.setup is not None else 0

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; 0 before the trainer has counted the images."""
        return self.setup.steps_per_epoch if self.setup is not None else 0

    @property
    def step_in_epoch(self) -> int:
        """Steps done of the epoch at hand; all of the last one once it is done."""
        if self.steps_per_epoch and self.epochs and self.epoch >= self.epochs:
            return self.steps_per_epoch
        return max(0, self.step - self.epoch * self.steps_per_epoch)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def elapsed(self) -> float:
        """Seconds of the trainers' time: the time between two attempts does not count, lost work does."""
        return self.elapsed_before + spent(self.attempt_started, self.updated)

    def latest(self, space: str, until: int | None = None) -> Diagnostics | None:
        """The newest diagnostics of `space` (projector, features, encoder), up to step `until`."""
        return next(
            (
                sample
                for sample in reversed(self.diagnostics)
                if sample.space == space and (until is None or sample.step <= until)
            ),
            None,
        )

    @property
    def resources(self) -> Resources | None:
        """The latest report of what the trainer uses of the machine."""
        return self.resource_rows[-1] if self.resource_rows else None

    @property
    def final(self) -> Evaluation | None:
        """The last evaluation of a trained encoder: that of the untrained one (step 0) is no result."""
        return next((one for one in reversed(self.evaluations) if one.step > 0), None)

    @property
    def best_knn(self) -> Evaluation | None:
        """The evaluation of the best k-NN accuracy of a trained encoder; the first, if equal."""
        found = [e for e in self.evaluations if e.step > 0 and e.knn is not None]
        return max(found, key=lambda e: e.knn_top1 or 0.0, default=None)

    @property
    def best_linear(self) -> Evaluation | None:
        """The evaluation of the best linear accuracy of a trained encoder; the first, if equal."""
        found = [e for e in self.evaluations if e.step > 0 and e.linear is not None]
        return max(found, key=lambda e: e.linear_top1 or 0.0, default=None)

    @property
    def needs_other_configuration(self) -> bool:
        """Whether the run ended by an error that its frozen configuration would cause again."""
        if self.error is None or self.status not in ("failed", "crashed"):
            return False
        steps = self.error.next
        again = any(word in step for step in steps for word in ("resume the run", "again", "restore"))
        return not again and any(_OTHER_CONFIGURATION.search(step) for step in steps)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that training and evaluating will still take at the recent pace; None where unknown."""
        if self.setup is None or self.exit is not None:
            return None
        per_step = self.pace.seconds_per_step
        if per_step is None and self.images_per_second and self.summary.batch_size:
            per_step = self.summary.batch_size / self.images_per_second
        if per_step is None:
            return None
        evaluating = sum(e.seconds for e in self.evaluations if e.step > 0) / max(1, self.epoch)
        left = max(0, self.total_steps - self.step) * per_step
        return left + max(0, self.epochs - self.epoch) * evaluating


def spent(since: float | None, until: float | None) -> float:
    """Seconds between two times of one attempt; 0 where its clock was set back, and bounded."""
    return 0.0 if since is None or until is None else min(max(0.0, until - since), LONGEST)
