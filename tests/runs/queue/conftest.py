"""A queue of its own for each test, with real waiting processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from queued_runs import TRAINER, QueuedRuns

from wmse_tui.runs.queue import positions


@pytest.fixture
def queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QueuedRuns]:
    monkeypatch.setenv("WMSE_TUI_QUEUE", str(tmp_path / "queue"))
    positions.forget()
    python = tmp_path / "trainer"
    python.write_text(TRAINER.format(python=sys.executable))
    python.chmod(0o700)
    made = QueuedRuns(tmp_path / "runs", python)
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()
