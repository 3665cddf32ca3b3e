"""The transfer of a trained encoder to other images: results, and how `evaluations` stores them.

A file of `wmse-tui eval RUN --transfer ...` has them under `transfer`, an object for each set by its name.
Accuracies are fractions, and intervals cover 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.encoding import as_dict
from wmse_tui.runs.log.events import Count, Fraction, Number
from wmse_tui.runs.state.saved_evaluations import saved_results

KEY = "transfer"

Metric = Literal["top1", "mean_per_class"]
"""The share of the test images that are classified right, or the mean over the classes of that share."""


@dataclass(frozen=True, slots=True)
class Score:
    """An accuracy in the metric of its set, and its interval."""

    value: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearTransfer:
    """The linear probe: accuracy in both metrics, the chosen C, and the accuracy on the validation part."""

    score: Score
    top1: Fraction
    mean_per_class: Fraction
    c: Number
    validation: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourTransfer:
    """Nearest neighbours: "euclidean" with one vote each, "cosine" weighted by exp(cosine / temperature)."""

    score: Score
    k: Count
    metric: Literal["euclidean", "cosine"]
    temperature: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShot:
    """A linear probe of `shots` training images a class: the mean over draws, and its interval over them."""

    shots: Count
    draws: Count
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The expected calibration error of the linear probe on the test, before and after scaling its logits.

    `temperature` divides them; it is chosen on the validation part.
    """

    ece: Fraction
    ece_scaled: Fraction
    temperature: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuned:
    """The encoder trained on a share of the labels, `images` of them, for so many steps."""

    share: Fraction
    images: Count
    steps: Count
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """An encoder on one set.

    Args:
        set: the name on the command line; of a folder its path.
        title: the set's name for people.
        metric: of all scores.
        classes: how many.
        train_split, test_split: as text, with the number of images.
        size: side of the square that the encoder saw, px; the shorter side of the images was resized to
            `resize` px, or not at all (None).
        knn, weighted_knn: of 5 and of 20 neighbours.
        few_shot: for each number of images a class that every class has.
        fine_tuned: for each share of the labels that was requested.
        cached: the features were those of an earlier evaluation of the same checkpoint.
        damaged: images that could not be read and were left out.
        seconds: of the whole measurement.
    """

    set: str
    title: str
    metric: Metric
    classes: Count
    train_split: str
    test_split: str
    size: Count
    resize: Count | None
    linear: LinearTransfer
    knn: NeighbourTransfer
    weighted_knn: NeighbourTransfer
    cached: bool
    damaged: Count
    seconds: Number
    few_shot: tuple[FewShot, ...] = ()
    calibration: Calibration | None = None
    fine_tuned: tuple[FineTuned, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedTransfer:
    """A result, of which checkpoint file it is, and when it was measured, as its file names them.

    `sha256` is the checkpoint's.
    """

    result: TransferResult
    checkpoint: str
    time: str
    sha256: str = ""


def transfer_json(results: tuple[TransferResult, ...]) -> dict[str, Any]:
    """The results as plain values for JSON, by the names of the sets."""
    return {result.set: as_dict(result) for result in results}


def saved_transfer_json(saved: tuple[SavedTransfer, ...]) -> dict[str, Any]:
    """Saved results as plain values for JSON, by the names of the sets, each with its checkpoint and time."""
    return {
        one.result.set: {**as_dict(one.result), "checkpoint": one.checkpoint, "time": one.time}
        for one in saved
    }


def transfer_from_json(values: Mapping[str, Any]) -> tuple[TransferResult, ...]:
    """The results under the key `transfer`; unknown fields are ignored. Raises ValueError."""
    try:
        return tuple(_adapter().validate_python(each) for each in values.values())
    except (AttributeError, ValidationError) as error:
        raise ValueError(str(error)) from None


@cache
def _adapter() -> TypeAdapter[TransferResult]:
    return TypeAdapter(TransferResult)


def read_transfer(run: RunDirectory) -> tuple[SavedTransfer, ...]:
    """The newest result of a run for each set, in the order of the sets' names.

    Where it has no fine-tuning, that of an earlier one of the same checkpoint and images stays.
    """
    newest: dict[str, SavedTransfer] = {}
    for values in saved_results(run):
        try:
            found = transfer_from_json(values[KEY])
            about = str(values["checkpoint"]), str(values["time"]), str(values.get("sha256", ""))
        except (KeyError, ValueError):  # an evaluation without a transfer, or no result
            continue
        for result in found:
            one = SavedTransfer(result, *about)
            newest[result.set] = _with_fine_tuning(one, newest.get(result.set))
    return tuple(newest[name] for name in sorted(newest))


def _with_fine_tuning(one: SavedTransfer, before: SavedTransfer | None) -> SavedTransfer:
    if before is None or one.result.fine_tuned or not _same_features(one, before):
        return one
    return replace(one, result=replace(one.result, fine_tuned=before.result.fine_tuned))


def _same_features(one: SavedTransfer, other: SavedTransfer) -> bool:
    def facts(saved: SavedTransfer) -> tuple[object, ...]:
        result = saved.result
        return saved.sha256, result.train_split, result.test_split, result.size, result.resize

    return facts(one) == facts(other)
