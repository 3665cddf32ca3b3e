"""Do the embeddings of a run keep their dimensions? A verdict, its evidence, and what to try.

The bounds come from runs on patterns and on photographs (6,000 of CIFAR-10), some of them broken on purpose:
learning rates of 0.3 and 3, a shrinkage of 0.9, a target without momentum, a temperature of 50, slices hardly
larger than the dimension. A healthy run dips in its first epochs, to 0.4 of its best effective rank, and
recovers. So a low rank alone is not enough: a run is called collapsing where two signs agree. Five seeds of
`quickstart` whitened onto principal axes ended at 0.27 to 0.52 of their best rank, 0.10 to 0.13 of that of
noise, with a loss of 1.95 to 1.97 over the last half; healthy ones learn, to 1.7 and below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal, TypeAlias

from wmse_tui.runs.log.events import Diagnostics
from wmse_tui.runs.state import remedies
from wmse_tui.runs.state.config import ConfigSummary
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.units import number

VerdictName: TypeAlias = Literal["unknown", "healthy", "rank falling", "collapsing", "collapsed", "diverging"]

JUDGED = "projector"
"""The embeddings that a verdict is on: those that the loss sees."""
SAMPLES = 3  # a number is the median of these; before that there is no verdict
ONE_DIMENSION = 1.5  # effective rank
ONE_POINT = 0.05  # feature_std
LOW_RANK = 0.08  # of that of noise; healthy runs dip to 0.096, broken ones stay below 0.07
SMALL_NULL = 8.0  # dimensions; of fewer the ratio says little
FALLEN, STILL_LOW = 0.3, 0.15  # of the best so far, to 0.4 of which healthy runs dip; of that of noise
SMALL_PIVOT, TINY_PIVOT = 1e-4, 2e-5  # healthy above 1.5e-3, broken below 1.4e-5; float32 fails near 1e-6
ILL_CONDITIONED = 2000.0  # times the condition number of noise; healthy up to 740, broken from 4000 on
CORRELATED = 0.5  # mean absolute correlation; healthy up to 0.45, broken from 0.55 on
NOTHING_LEARNED = 0.97  # of the loss's no-structure value
VIEWS_ALIKE = 0.05  # the loss of W-MSE by cosine
RISEN, STILL_RISING = 1.5, 0.97  # of its lowest, as Barlow Twins from 1.2 to 2.2; of the highest since
LOST, SUNK = 0.7, 0.2  # of the best rank so far; of the rank of noise
STUCK = 0.95  # of the loss's no-structure value, over the last half of the steps
STUCK_SAMPLES, STUCK_STEPS = 12, 100  # a run that has only begun is not stuck


@dataclass(frozen=True, slots=True)
class Verdict:
    """`evidence` is a sentence with numbers; `advice` is what to try, most promising first."""

    name: VerdictName
    evidence: str
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Medians:
    """The medians of the newest diagnostics; None where one of the numbers is missing."""

    rank: float
    ratio: float | None  # to the rank of isotropic noise, where that has dimensions enough
    null: float | None
    condition: float | None
    pivot: float | None
    spread: float | None
    correlation: float | None


def judge(state: RunState) -> Verdict:
    """The verdict on the run so far, from the embeddings that the loss sees."""
    samples = [event for event in state.diagnostics if event.space == JUDGED]
    broken = _diverging(state, samples)
    if broken:
        return Verdict("diverging", broken, remedies.DIVERGING)
    if len(samples) < SAMPLES:
        short = "the run was too short: it has " if state.ended else ""
        counted = f"{short}{len(samples)} of {SAMPLES} diagnostics samples that a verdict needs"
        return Verdict("unknown", counted)
    now = _medians(samples[-SAMPLES:])
    if now is None:
        return Verdict("unknown", "the effective rank of the embeddings is unknown")
    rank, tries = _rank_text(now), remedies.against_lost_dimensions(state.summary, samples[-1].dim)
    if _on_a_line(now):
        return Verdict("collapsed", f"{rank}: the embeddings lie on a line", tries)
    if now.spread is not None and now.spread < ONE_POINT:
        spread = f"the standard deviation of the features is {number(now.spread, 2)} of an even spread's"
        return Verdict("collapsed", f"{spread}: the embeddings are one point", tries)
    features = _features_collapsed(state)
    if features:
        return Verdict("collapsed", features, tries)
    lost = _lost_for_nothing(state, samples, now)
    if lost:
        return Verdict("collapsed", f"{rank}, {lost}", tries)
    signs = _signs(state.summary, samples[-1], now)
    tiny = now.pivot is not None and state.summary.eps == 0 and now.pivot < TINY_PIVOT
    losing, fallen = len(signs) > 1 or tiny, _fallen(samples, now)
    if losing or fallen:
        risen = _risen(state, samples, now)
        if risen:
            return Verdict("unknown", f"{rank}, {risen}", remedies.TOO_EARLY)
        if losing:
            return Verdict("collapsing", "; ".join(signs.values()), tries)
        return Verdict("rank falling", f"{rank}, {fallen}", tries)
    return _learning(state, rank)


def out_of_bounds(sample: Diagnostics, about: ConfigSummary) -> frozenset[str]:
    """The names of the numbers of one sample that are beyond the bounds of the verdict.

    One sample is no verdict: that needs several, and two signs that agree.
    """
    now = _medians([sample])
    if now is None:
        return frozenset({"effective_rank"})
    found = set(_signs(about, sample, now)) if sample.space == JUDGED else set()
    if _on_a_line(now):
        found.add("effective_rank")
    if now.spread is not None and now.spread < ONE_POINT:
        found.add("feature_std")
    return frozenset(found)


def slice_floor(samples: Diagnostics, about: ConfigSummary) -> float | None:
    """The condition number of isotropic noise in a whitening slice; None where the loss whitens none."""
    from wmse_tui.config.figures import expected_condition_number  # a schema that few readers need

    if samples.space != JUDGED or about.method != "w_mse" or about.whitening_size <= samples.dim + 1:
        return None
    return expected_condition_number(samples.dim, about.whitening_size)


def loss_without_structure(about: ConfigSummary) -> float | None:
    """The loss that means nothing is learned; None where there is no such value.

    W-MSE and CW-RGP by cosine: 2, for whitened embeddings are centred, so unrelated ones have cosine 0.
    SimCLR: log(2 N - 1) at a batch of N; embeddings that are all alike leave a guess among 2 N - 1 images.
    BYOL has none: its embeddings are not centred.
    """
    if about.method in ("w_mse", "cw_rgp") and about.normalize:
        return 2.0
    if about.method == "simclr" and about.batch_size > 1:
        return math.log(2 * about.batch_size - 1)
    return None


def _diverging(state: RunState, samples: Sequence[Diagnostics]) -> str:
    if state.loss.last_step and state.loss.values(state.loss.last_step) == (None,):
        return f"the loss is not finite at step {state.loss.last_step}"
    if state.exit is not None and state.exit.status == "diverged":
        return f"the run diverged at step {state.exit.step}"
    if samples and samples[-1].effective_rank is None:
        return f"the embeddings are not finite at step {samples[-1].step}"
    return ""


def _medians(events: Sequence[Diagnostics]) -> _Medians | None:
    def middle(name: str) -> float | None:
        values = [getattr(event, name) for event in events]
        return None if None in values else float(median(values))

    rank, null = middle("effective_rank"), middle("effective_rank_null")
    if rank is None:
        return None
    return _Medians(
        rank=rank,
        ratio=rank / null if null is not None and null >= SMALL_NULL else None,
        null=null,
        condition=middle("condition_number"),
        pivot=middle("smallest_pivot"),
        spread=middle("feature_std"),
        correlation=middle("mean_correlation"),
    )


def _signs(about: ConfigSummary, last: Diagnostics, now: _Medians) -> Mapping[str, str]:
    """The signs of lost dimensions, each as text with its number, by the names of the numbers."""
    found = {}
    if now.ratio is not None and now.ratio < LOW_RANK:
        found["effective_rank"] = _rank_text(now)
    floor = slice_floor(last, about)
    if floor is not None and now.condition is not None and now.condition > ILL_CONDITIONED * floor:
        found["condition_number"] = (
            f"the condition number is {number(now.condition, 2)}, that of noise {number(floor, 2)}"
        )
    whole = about.method == "w_mse"  # random groups of channels have small pivots in their best runs
    if whole and now.pivot is not None and about.eps == 0 and now.pivot < SMALL_PIVOT:
        found["smallest_pivot"] = (
            f"the smallest pivot of the whitening is {number(now.pivot, 2)} of the largest"
        )
    if now.correlation is not None and now.correlation > CORRELATED:
        found["mean_correlation"] = f"dimensions correlate by {number(now.correlation, 2)} on average"
    return found


def _on_a_line(now: _Medians) -> bool:
    return now.rank <= ONE_DIMENSION and (now.null is None or now.null > 2 * ONE_DIMENSION)


def _features_collapsed(state: RunState) -> str:
    """Whether the encoder's features, of training, lie on a line or in a point, as text."""
    samples = [event for event in state.diagnostics if event.space == "features"]
    now = _medians(samples[-SAMPLES:]) if len(samples) >= SAMPLES else None
    if now is None:
        return ""
    if _on_a_line(now):
        return f"the effective rank of the encoder's features is {number(now.rank, 3)}: they lie on a line"
    if now.spread is not None and now.spread < ONE_POINT:
        return (
            f"the encoder's features spread by {number(now.spread, 2)} of an even spread: they are one point"
        )
    return ""


def _lost_for_nothing(state: RunState, samples: Sequence[Diagnostics], now: _Medians) -> str:
    """Whether dimensions went while the loss stayed where nothing is learned, as text.

    So ends whitening onto principal axes, whose loss is that of unrelated views: what is left of the rank is
    that of the start, shrunk. A healthy run that dips has a falling loss.
    """
    nothing = loss_without_structure(state.summary)
    if nothing is None or now.ratio is None or now.ratio >= SUNK:
        return ""
    if len(samples) < STUCK_SAMPLES or state.loss.last_step < STUCK_STEPS:
        return ""
    best = max(event.effective_rank or 0.0 for event in samples)
    loss = _mean_loss(state, state.loss.last_step // 2)
    if loss is None or loss < STUCK * nothing or now.rank >= LOST * best:
        return ""
    return (
        f"and {number(best, 3)} at its best, while the loss stays at {number(loss, 3)}, and "
        f"{number(nothing, 3)} means nothing is learned: the embeddings lost dimensions for nothing"
    )


def _fallen(samples: Sequence[Diagnostics], now: _Medians) -> str:
    """How far the rank is below its best, where it is low and still falls."""
    if len(samples) < 2 * SAMPLES or now.ratio is None or now.ratio >= STILL_LOW:
        return ""
    earlier = [event.effective_rank for event in samples[:-SAMPLES] if event.effective_rank is not None]
    if len(earlier) < SAMPLES or now.rank >= FALLEN * max(earlier) or now.rank >= median(earlier[-SAMPLES:]):
        return ""
    return f"and {number(max(earlier), 3)} at its best"


def _risen(state: RunState, samples: Sequence[Diagnostics], now: _Medians) -> str:
    """How far the rank is above its lowest, where it comes back while the loss falls, as text.

    Not where the loss factorises covariances: there the pivots show a collapse, whatever the rank does.
    """
    ranks = [event.effective_rank for event in samples[:-SAMPLES] if event.effective_rank is not None]
    windows = [median(ranks[at : at + SAMPLES]) for at in range(len(ranks) - SAMPLES + 1)]
    if now.pivot is not None or not windows:
        return ""
    lowest = min(windows)
    since = windows[windows.index(lowest) :]
    if now.rank < RISEN * lowest or now.rank < STILL_RISING * max(since):
        return ""
    last = state.loss.last_step
    before, lately = _mean_loss(state, last // 2, 3 * last // 4), _mean_loss(state, 3 * last // 4 + 1)
    if before is None or lately is None or lately >= before:
        return ""
    return f"but rises, from {number(lowest, 3)} at its lowest, and the loss falls"


def _learning(state: RunState, rank: str) -> Verdict:
    """The dimensions are there; what of the loss?"""
    loss, nothing = _recent_loss(state), loss_without_structure(state.summary)
    if loss is None:
        return Verdict("unknown", f"{rank}, but there is no loss yet")
    if state.summary.method == "w_mse" and state.summary.normalize and loss < VIEWS_ALIKE:
        return Verdict(
            "unknown",
            f"{rank}, but the loss is {number(loss, 2)}: the views of an image are nearly the same, "
            "and telling them alike teaches little",
            remedies.VIEWS_ALIKE,
        )
    if nothing is not None and loss >= NOTHING_LEARNED * nothing:
        return Verdict(
            "unknown",
            f"{rank}, but the loss is {number(loss, 3)}, and {number(nothing, 3)} means nothing is learned",
            remedies.NOTHING_LEARNED,
        )
    return Verdict("healthy", rank)


def _recent_loss(state: RunState) -> float | None:
    """The mean of the last twentieth of the steps, ten at least."""
    last = state.loss.last_step
    return _mean_loss(state, last - max(9, last // 20))


def _mean_loss(state: RunState, first: int, last: int | None = None) -> float | None:
    """The mean from step `first` on, or up to `last`; of whole buckets."""
    buckets = state.loss.overview(64, max(1, first), last)
    return fmean(bucket.mean for bucket in buckets) if buckets else None


def _rank_text(now: _Medians) -> str:
    share = f", {100 * now.rank / now.null:.0f} % of that of noise" if now.null else ""
    return f"the effective rank is {number(now.rank, 3)}{share}"
