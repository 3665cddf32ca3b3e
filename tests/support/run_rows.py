"""Rows made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wmse_tui.runs.table.index import RunRow

MakeRow = Callable[..., RunRow]


@pytest.fixture
def row() -> MakeRow:
    """Makes the row of a healthy, completed run with some values replaced: row("a", status="running")."""

    def make(run_id: str = "a", **values: Any) -> RunRow:
        usual: dict[str, Any] = {
            "path": f"/runs/{run_id}",
            "status": "completed",
            "title": "A run",
            "preset": "cifar10",
            "method": "w_mse",
            "dataset": "cifar10",
            "host": "gpu-a",
            "epoch": 4,
            "epochs": 4,
            "step": 20,
            "loss": 0.5,
            "sparkline": (2.0, 1.0, 0.5),
            "final_knn": 0.8,
            "final_linear": 0.9,
            "started": 0.0,
        }
        return RunRow(run_id=run_id, **{**usual, **values})

    return make
