"""The state of a run as JSON: what `show --json` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from wmse_tui.runs.log.encoding import as_dict
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.verdict import judge


def state_to_json(state: RunState, *, columns: int = 256) -> dict[str, Any]:
    """The state as plain values for JSON; what is by step in at most `columns` buckets or points."""
    verdict = judge(state)
    return {
        "run_id": state.run_id,
        "path": state.path,
        **{name: value for name, value in asdict(state.summary).items() if name != "problem"},
        "state": state.status,
        "state_reason": state.status_reason,
        "place": state.position,
        "attempt": state.attempt,
        "started": state.started,
        "attempt_started": state.attempt_started,
        "updated": state.updated,
        "setup": _plain(state.setup),
        "phase": _plain(state.phase),
        "epoch": state.epoch,
        "epochs": state.epochs,
        "step": state.step,
        "total_steps": state.total_steps,
        "loss": state.loss.last,
        "lr": state.lr,
        "parts": dict(state.parts),
        "images_per_second": state.images_per_second,
        "seconds_left": state.seconds_left,
        "elapsed": state.elapsed,
        "best_knn": _plain(state.best_knn),
        "best_linear": _plain(state.best_linear),
        "evaluations": [as_dict(event) for event in state.evaluations],
        "epoch_rows": [as_dict(event) for event in state.epoch_rows],
        "loss_by_step": state.loss.to_dict(columns),
        "lr_by_step": [list(knot) for knot in state.rates.picked(columns)],
        "elapsed_by_step": [list(knot) for knot in state.clock.picked(columns)],
        "diagnostics": [as_dict(event) for event in state.diagnostics],
        "norm_weights": _plain(state.norm_weights),
        "resources": _plain(state.resources),
        "artifacts": [as_dict(event) for event in state.artifacts],
        "checkpoints": [as_dict(event) for event in state.checkpoints],
        "verdict": {"name": verdict.name, "evidence": verdict.evidence, "advice": list(verdict.advice)},
        "notices": [as_dict(event) for event in state.notices],
        "damaged": None
        if state.damaged is None
        else {
            "count": state.damaged.count,
            "images": state.damaged.images,
            "files": [as_dict(file) for file in state.damaged_files],
        },
        "controls": [as_dict(event) for event in state.controls],
        "error": _plain(state.error),
        "exit": _plain(state.exit),
        "unreadable": state.unreadable,
        "missing": state.missing,
    }


def _plain(event: object) -> dict[str, Any] | None:
    return None if event is None else as_dict(event)
