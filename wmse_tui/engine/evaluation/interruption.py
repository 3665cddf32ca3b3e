"""How an evaluation tells of its progress and how it is asked to end early."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float, float, str], None]
"""Called with (name of the part, done, total, unit), often; the receiver decides how often it shows it."""

ShouldStop = Callable[[], bool]
"""Asked between batches and between epochs of a probe; true ends the evaluation."""


class EvaluationInterrupted(Exception):
    """The evaluation ended early because it was asked to; there is no result, and nothing was changed."""


def no_progress(_name: str, _done: float, _total: float, _unit: str) -> None:
    """A progress receiver that does nothing."""


def never() -> bool:
    """A `should_stop` that lets the evaluation finish."""
    return False


def check(should_stop: ShouldStop) -> None:
    """Raise `EvaluationInterrupted` when `should_stop` says so."""
    if should_stop():
        raise EvaluationInterrupted
