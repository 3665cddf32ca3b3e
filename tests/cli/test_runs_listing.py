"""`runs`: in which order, and of many long logs, whose first rows are printed while the others are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wmse_tui.cli.commands import runs as module
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Event, Exit, Record, Steps
from wmse_tui.runs.table.catalogue import list_runs, resolve_run
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


@pytest.mark.parametrize("seconds", [60.0, 0.0], ids=["read-at-once", "one-log-at-a-time"])
def test_copied_runs_are_listed_by_their_start_and_last_is_the_first_of_the_list(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    seconds: float,
) -> None:
    """`cp -r` makes every file anew, in the order of the names."""
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "FIRST_SECONDS", seconds)
    monkeypatch.setattr(module, "SOON_SECONDS", seconds)
    runs = tmp_path / "runs"
    for copied, (name, started) in enumerate((("a", 3e6), ("b", 1e6), ("c", 4e6), ("d", 2e6))):
        _run_started_at(runs, name, started, configured=1e9 + copied)
    os.utime(create_run(runs, CONFIG, name="waits").config, (2.5e6, 2.5e6))  # never started
    module.runs(runs)
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert listed == ["c", "a", "waits", "d", "b"]
    assert [run.id for run in list_runs(runs)] == listed
    assert resolve_run(runs, "last").id == "c"


def _run_started_at(root: Path, name: str, started: float, *, configured: float) -> RunDirectory:
    run = create_run(root, CONFIG, name=name)
    records = [Record(1, seq, started + seq, 1, event) for seq, event in enumerate(EVENTS, 1)]
    run.events.write_text("".join(encode(record) + "\n" for record in records))
    os.utime(run.config, (configured, configured))
    return run
