"""Which rows are sent when: what a resumption does to numbers that were published already.

A resumption rewinds a run to a checkpoint; the steps beyond it are trained again. Some services can take
rows back (TensorBoard, files), others cannot (W&B, MLflow). The latter get *durable* rows only: those up to a
step that a checkpoint has, and all when the run completes. A stream is a function of the log alone: fed again
from its beginning it makes the same batches, so a follower that was killed knows from the sequence number of
the last batch what it has sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wmse_tui.publish.metric_rows import MetricRow, rows_of
from wmse_tui.runs.log.events import Attempt, Checkpoint, Exit, Record


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to be sent together.

    Args:
        seq: of the record that completed the batch.
        step: the last step of all rows sent so far, this batch included.
        rows: by rising step, unless a rewind came between.
        rewind: rows beyond this step, sent earlier, are obsolete; None: none are.
    """

    seq: int
    step: int
    rows: Sequence[MetricRow] = field(repr=False)
    rewind: int | None = None


class LiveStream:
    """Everything at once, with the rewinds; for services that can take rows back."""

    def __init__(self) -> None:
        self._step = 0

    def batches(self, records: Sequence[Record]) -> list[Batch]:
        """The batches that these next records complete."""
        found: list[Batch] = []
        rows: list[MetricRow] = []
        seq = 0
        for record in records:
            event = record.event
            if isinstance(event, Attempt) and event.resume_step < self._step:
                if rows:
                    found.append(Batch(seq, self._step, rows))
                    rows = []
                self._step = event.resume_step
                found.append(Batch(record.seq, self._step, (), rewind=event.resume_step))
            for row in rows_of(record):
                rows.append(row)
                self._step = max(self._step, row.step)
            seq = record.seq
        if rows:
            found.append(Batch(seq, self._step, rows))
        return found


class DurableStream:
    """Rows up to the newest checkpoint; all of them when the run completes."""

    def __init__(self) -> None:
        self._waiting: list[MetricRow] = []
        self._sent = 0  # the last step of a checkpoint whose rows were sent
        self._repeated = 0  # up to this step, what is trained was sent before a rewind behind `_sent`

    def batches(self, records: Sequence[Record]) -> list[Batch]:
        """The batches that these next records complete."""
        found = []
        for record in records:
            match record.event:
                case Attempt(resume_step=resumed):
                    self._waiting = [row for row in self._waiting if row.step <= resumed]
                    if resumed < self._sent:  # behind a checkpoint that was damaged, or removed
                        self._repeated = self._sent
                        found.append(Batch(record.seq, self._sent, (), rewind=resumed))
                case Checkpoint(step=saved):
                    found += self._complete(record.seq, saved)
                case Exit(status="completed", step=last):
                    found += self._complete(record.seq, last)
                case _:
                    self._waiting += [row for row in rows_of(record) if row.step > self._repeated]
        return found

    def _complete(self, seq: int, step: int) -> list[Batch]:
        """The batch of the rows up to `step`."""
        ready = [row for row in self._waiting if row.step <= step]
        self._waiting = [row for row in self._waiting if row.step > step]
        self._sent = max(self._sent, step)
        return [Batch(seq, self._sent, ready)] if ready else []
