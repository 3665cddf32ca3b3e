"""What a list shows of a run's series and histories: a few numbers, so that it need not read those."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from wmse_tui.runs.log.events import Fraction, Number
from wmse_tui.runs.state.curves import QUANTITIES
from wmse_tui.runs.state.diagnostic_notes import DIAGNOSTIC_NOTES
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.verdict import VerdictName, judge

SPARKS = 32
_DIGITS = 16  # of an origin
_SPACES = (("projector", ""), ("encoder", "encoder."), ("features", "features."))  # and before their results
_OF_TRAINER = ("images_per_second", "gpu_memory", "memory")


@dataclass(frozen=True, slots=True)
class ResultName:
    """A further result of a run: `name` in columns and files, title, and unit ("" where it has none)."""

    name: str
    title: str
    unit: str = ""


RESULTS: tuple[ResultName, ...] = (
    ResultName("untrained_knn", "Untrained k-NN accuracy", "fraction"),
    ResultName("untrained_linear", "Untrained linear accuracy", "fraction"),
    ResultName("linear_top5", "Last linear top-5 accuracy", "fraction"),
    ResultName("raw_pixels", "k-NN accuracy of raw pixels", "fraction"),
    ResultName("best_knn_epoch", "Epoch of the best k-NN accuracy"),
    ResultName("best_linear_epoch", "Epoch of the best linear accuracy"),
    ResultName("training_seconds", "Time of training and evaluating", "s"),
    *(ResultName(name, QUANTITIES[name].title, QUANTITIES[name].unit) for name in _OF_TRAINER),
    *(
        ResultName(f"{before}{note.name}", f"{note.title} of the {space}", note.unit)
        for space, before in _SPACES
        for note in DIAGNOSTIC_NOTES.values()
    ),
)
"""What `Highlights.results` can hold besides loss and accuracies; of diagnostics the newest sample."""


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
    results: tuple[tuple[str, Number], ...] = ()  # those of RESULTS that are known


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
        results=_results(state),
    )


def _results(state: RunState) -> tuple[tuple[str, float], ...]:
    final, best_knn, best_linear = state.final, state.best_knn, state.best_linear
    untrained = next((one for one in state.evaluations if one.step == 0), None)
    pixels = (one.raw_pixels for one in state.evaluations if one.raw_pixels is not None)
    found: dict[str, float | None] = {
        "untrained_knn": untrained.knn_top1 if untrained is not None else None,
        "untrained_linear": untrained.linear_top1 if untrained is not None else None,
        "linear_top5": final.linear_top5 if final is not None else None,
        "raw_pixels": next(pixels, None),
        "best_knn_epoch": best_knn.epoch if best_knn is not None else None,
        "best_linear_epoch": best_linear.epoch if best_linear is not None else None,
        "training_seconds": state.elapsed if state.started is not None else None,
        "images_per_second": state.images_per_second,
    }
    for name in _OF_TRAINER[1:]:
        used = getattr(state.resources, name, None)
        found[name] = None if used is None else 1e-9 * used  # bytes as GB
    for space, before in _SPACES:
        sample = state.latest(space)
        if sample is not None:
            found |= {f"{before}{name}": getattr(sample, name) for name in DIAGNOSTIC_NOTES}
    return tuple((name, float(value)) for name, value in found.items() if value is not None)


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
