"""What a list shows of a run's series and histories: a few numbers, so that it need not read those."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from wmse_tui.runs.log.events import Fraction, Number
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.verdict import VerdictName, judge

SPARKS = 32
_DIGITS = 16  # of an origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Highlights:
    """Accuracies are fractions."""

    loss: Number | None = None  # the newest
    sparkline: tuple[Number, ...] = ()  # the loss of the whole run in at most SPARKS buckets
    best_knn: Fraction | None = None
    best_linear: Fraction | None = None
    final_knn: Fraction | None = None  # of the last evaluation
    final_linear: Fraction | None = None
    origin: str = ""  # equal for copies of one run
    verdict: VerdictName = "unknown"


def highlights_of(state: RunState) -> Highlights:
    """The highlights of a run."""
    best_knn, best_linear, final = state.best_knn, state.best_linear, state.final
    return Highlights(
        loss=state.loss.last,
        sparkline=tuple(bucket.mean for bucket in state.loss.overview(SPARKS)),
        best_knn=best_knn.knn_top1 if best_knn is not None else None,
        best_linear=best_linear.linear_top1 if best_linear is not None else None,
        final_knn=final.knn_top1 if final is not None else None,
        final_linear=final.linear_top1 if final is not None else None,
        origin=origin_of(state),
        verdict=judge(state).name,
    )


def origin_of(state: RunState) -> str:
    """Equal for a run and its copies, else different; "" for a run that has not trained an epoch.

    Of the begin of the first attempt, to the millisecond, and what was measured first: loss and times of the
    first epoch, or else the first evaluation of a trained encoder. Accuracies that were changed in a copy,
    or refused there, do not make it another run.
    """
    first: object = next(iter(state.epoch_rows), None)
    first = first or next((each for each in state.evaluations if each.step > 0), None)
    if first is None:
        return ""
    beginning = repr((state.started, first))
    return hashlib.sha256(beginning.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
