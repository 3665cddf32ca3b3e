"""Why a run has no value of something that could be drawn."""

from __future__ import annotations

from collections.abc import Sequence

from wmse_tui.runs.state.curves import has_values
from wmse_tui.runs.state.diagnostic_notes import DIAGNOSTIC_NOTES
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import ENDED

_NOT_MEASURED = {
    "smallest_pivot": "the loss has no factorisation",
    "whiteness_error": "nothing is whitened",
    "lidar": "evaluation.lidar_images is 0",
}


def why_empty(states: Sequence[RunState], quantities: Sequence[str]) -> str:
    """Why no curve of these quantities has a point: the reason of all runs, or that there is no value."""
    if any(has_values(state, name) for state in states for name in quantities):
        return "no value in this part of the run"
    reasons = {why_absent(state, name) for state in states for name in quantities[:1]}
    return reasons.pop() if len(reasons) == 1 else "none of these runs has a value of this"


def why_absent(state: RunState, quantity: str) -> str:
    """Why the run has no value of `quantity` (a name in QUANTITIES)."""
    ended = state.status in ENDED
    if state.setup is None and not state.evaluations and not state.loss.last_step:
        return "the run has ended before its training" if ended else "the training has not begun"
    if quantity.startswith("gpu_"):
        if state.resources is not None:
            return (
                f"the GPU does not report it: {state.resources.gpu}"
                if state.resources.gpu
                else "no GPU is used"
            )
    elif quantity == "knn" and state.evaluations:
        return "its evaluations have no k-NN (evaluation.knn)"
    elif quantity == "linear" and state.evaluations and not ended:
        return "measured at the end of the run (evaluation.linear_at), or not at all (evaluation.linear)"
    elif quantity == "linear" and state.evaluations:
        return "its evaluations have no linear probe (evaluation.linear)"
    elif quantity in DIAGNOSTIC_NOTES and state.latest("projector") is not None:
        return _NOT_MEASURED.get(quantity, "its diagnostics samples do not have it")
    return "the run has ended before the first value" if ended else "no values yet"
