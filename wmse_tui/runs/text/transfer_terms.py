"""The numbers of a transfer to other images as text, and what each of them is."""

from __future__ import annotations

from collections.abc import Sequence

from wmse_tui.runs.state.transfer_results import Score, TransferResult
from wmse_tui.runs.text.units import percentage

PER_CLASS = "mean per class"


def transfer_terms(results: Sequence[TransferResult]) -> list[str]:
    """A line for each kind of number that `results` have; docs/transfer.md has formulas and sources."""
    lines = [
        "linear: logistic regression on the frozen features; 95 %: its interval",
        "5-NN: majority of 5 neighbours; 20-NN: 20 votes weighted by cosine",
    ]
    if any(result.few_shot for result in results):
        lines.append("images a class: few-shot, a linear probe of so many labelled images each")
    if any(result.calibration for result in results):
        lines.append("ECE: calibration error, confidence against accuracy; 0 is best")
        lines.append("scaled: the same with the logits divided by the temperature")
    if any(result.fine_tuned for result in results):
        lines.append("fine-tuned on: the whole encoder trained on that share of the labels")
    if any(result.metric == "mean_per_class" for result in results):
        lines.append(f"* {PER_CLASS}")
    return lines


def interval_text(score: Score) -> str:
    """The interval of a score in percent: "70.1-72.5"."""
    return f"{100 * score.low:.1f}-{100 * score.high:.1f}"


def mean_text(score: Score | None) -> str:
    """A mean and half of its interval in percent: "41.20 ± 0.93"."""
    return percentage(None) if score is None else percentage(score.value, (score.high - score.low) / 2)
