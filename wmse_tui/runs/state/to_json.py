"""The state of a run as JSON: what `show --json` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from wmse_tui.runs.log.encoding import as_dict
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.verdict import judge


def to_json(run_state: RunState, *, columns: int = 256) -> dict[str, Any]:
    """The state as plain values for JSON; what is by step in at most `columns` buckets or points."""
    verdict = judge(run_state)
    return {
        "run_id": run_state.run_id,
        "path": run_state.path,
        **{name: value for name, value in asdict(run_state.summary).items() if name != "problem"},
        "state": run_state.status,
        "state_reason": run_state.status_reason,
        "place": run_state.position,
        "attempt": run_state.attempt,
        "started": run_state.started,
        "attempt_started": run_state.attempt_started,
        "updated": run_state.updated,
        "setup": _plain(run_state.setup),
        "phase": _plain(run_state.phase),
        "epoch": run_state.epoch,
        "epochs": run_state.epochs,
        "step": run_state.step,
        "total_steps": run_state.total_steps,
        "loss": run_state.loss.last,
        "lr": run_state.lr,
        "parts": dict(run_state.parts),
        "images_per_second": run_state.images_per_second,
        "seconds_left": run_state.seconds_left,
        "elapsed": run_state.elapsed,
        "best_knn": _plain(run_state.best_knn),
        "best_linear": _plain(run_state.best_linear),
        "evaluations": [as_dict(event) for event in run_state.evaluations],
        "epoch_rows": [as_dict(event) for event in run_state.epoch_rows],
        "loss_by_step": run_state.loss.to_dict(columns),
        "lr_by_step": [list(knot) for knot in run_state.rates.picked(columns)],
        "elapsed_by_step": [list(knot) for knot in run_state.clock.picked(columns)],
        "diagnostics": [as_dict(event) for event in run_state.diagnostics],
        "norm_weights": _plain(run_state.norm_weights),
        "resources": _plain(run_state.resources),
        "artifacts": [as_dict(event) for event in run_state.artifacts],
        "checkpoints": [as_dict(event) for event in run_state.checkpoints],
        "verdict": {"name": verdict.name, "evidence": verdict.evidence, "advice": list(verdict.advice)},
        "notices": [as_dict(event) for event in run_state.notices],
        "controls": [as_dict(event) for event in run_state.controls],
        "error": _plain(run_state.error),
        "exit": _plain(run_state.exit),
        "unreadable": run_state.unreadable,
        "missing": run_state.missing,
    }


def _plain(event: object) -> dict[str, Any] | None:
    return None if event is None else as_dict(event)
