"""`runs` of many long logs: the first rows are printed while the others are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wmse_tui.cli.commands import runs as module
from wmse_tui.runs.directory import create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Event, Exit, Record, Steps
from wmse_tui.runs.table.index import RunIndex, RunRow

CONFIG = "title: Mine\nschedule: {epochs: 3}\n"
EVENTS: tuple[Event, ...] = (Steps(1, (0.5,)), Exit(status="completed", step=1, epoch=3, seconds=1.0))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five runs, the later the newer; the names differ in length."""
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "cache"))
    for number in range(5):
        run = create_run(tmp_path / "runs", CONFIG, name=f"run-{'x' * number}")
        os.utime(run.config, (number, number))
        lines = [encode(Record(1, seq, 1.0, 1, event)) for seq, event in enumerate(EVENTS, 1)]
        run.events.write_text("".join(f"{line}\n" for line in lines))
    return tmp_path / "runs"


def test_rows_are_printed_as_they_are_read_and_are_those_of_a_list_that_is_read_at_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "run-" / "events.jsonl").write_text("")  # the oldest was never started: a row like the others
    module.runs(root)
    at_once = capsys.readouterr().out.splitlines()

    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(module, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(module, "SOON_SECONDS", 0.0)  # one log at a time
    refresh, printed = RunIndex.refresh, list[list[str]]()

    def noted(index: RunIndex, budget_seconds: float | None = None) -> tuple[RunRow, ...]:
        printed.append(capsys.readouterr().out.splitlines())
        return refresh(index, budget_seconds)

    monkeypatch.setattr(RunIndex, "refresh", noted)
    module.runs(root)
    printed.append(capsys.readouterr().out.splitlines())
    assert [len(lines) for lines in printed] == [0, 2, 1, 1, 1, 1]  # with the heading before the first
    lines = [line for group in printed for line in group]
    assert [line.split() for line in lines] == [line.split() for line in at_once]
    assert len({line.index("completed") for line in lines if "completed" in line}) == 1, "columns are aligned"


def test_a_log_that_cannot_be_read_does_not_hold_up_the_others(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = root / "run-xx" / "events.jsonl"
    broken.unlink()
    broken.mkdir()
    monkeypatch.setattr(module, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(module, "SOON_SECONDS", 0.0)
    module.runs(root)
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["run", "run-xxxx", "run-xxx", "run-x", "run-"]
    assert err.count("cannot read the run's log") == 1
