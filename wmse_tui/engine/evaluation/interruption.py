"""How an evaluation reports its progress, and how it is interrupted."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float, float, str], None]
"""Called with (name of the part, done, total, unit), often; the receiver decides how often to show it."""

ShouldStop = Callable[[], bool]
"""Called between batches and between epochs of a probe; true ends the evaluation."""


class EvaluationInterrupted(Exception):
    """The evaluation was interrupted; there is no result, and nothing was changed."""


def no_progress(_name: str, _done: float, _total: float, _unit: str) -> None:
    """A progress receiver that does nothing."""


def never() -> bool:
    """A `should_stop` that lets the evaluation finish."""
    return False


def check(should_stop: ShouldStop) -> None:
    """Raise `EvaluationInterrupted` if `should_stop` returns true."""
    if should_stop():
        raise EvaluationInterrupted
