"""How the command line opens the app, which is replaced by a record of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

import wmse_tui.tui.start
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.start import NoTerminal

Cli = Callable[..., Result]
Trainer = Callable[..., None]
QUICK = ("run", "--preset", "quickstart", "--set", "schedule.epochs=2", "--name", "mine")


class Opened:
    """Replaces the app: records its arguments, waits for the run to end, and returns."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.status = 0
        self.waits = True

    def __call__(self, **options: Any) -> int:
        self.calls.append(options)
        while self.waits and options["run"] is not None and not view_run(options["run"]).ended:
            pass
        return self.status


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A terminal, and an app that only records its arguments."""
    opened = Opened()
    monkeypatch.setattr(wmse_tui.tui.start, "check_terminal", lambda: None)
    monkeypatch.setattr(wmse_tui.tui.start, "open_app", opened)
    return opened


def test_without_a_command_the_app_opens_on_the_folder_of_runs(cli: Cli, app: Opened, tmp_path: Path) -> None:
    assert cli().exit_code == 0
    assert cli("--runs-dir", str(tmp_path / "other")).exit_code == 0
    assert [call["runs_root"] for call in app.calls] == [tmp_path / "runs", tmp_path / "other"]
    assert all(call["run"] is None and not call["own"] for call in app.calls)


def test_a_folder_of_runs_before_a_command_is_refused(cli: Cli, app: Opened) -> None:
    result = cli("--runs-dir", "there", "runs")
    assert result.exit_code == 2
    assert "write it after the command" in result.stderr
    assert app.calls == []


def test_without_a_terminal_the_app_is_refused_with_the_alternatives(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise NoTerminal("standard input is not a terminal")

    monkeypatch.setattr(wmse_tui.tui.start, "check_terminal", refuse)
    result = cli()
    assert result.exit_code == 2
    assert result.stderr.startswith("wmse-tui: the app needs a terminal\n  Standard input is not")
    assert "ssh -t HOST wmse-tui" in result.stderr
    assert "--headless" in result.stderr


def test_run_opens_the_run_it_started_as_its_own_and_returns_its_exit_code(
    cli: Cli, app: Opened, trainer: Trainer, tmp_path: Path
) -> None:
    trainer("completes")
    result = cli(*QUICK)
    assert result.exit_code == 0
    [call] = app.calls
    assert (call["run"].path, call["own"]) == (tmp_path / "runs" / "mine", True)
    assert result.stdout.startswith("result  5-NN 81.25 %")


def test_a_run_that_diverged_while_the_app_showed_it_sets_the_exit_code(
    cli: Cli, app: Opened, trainer: Trainer
) -> None:
    trainer("diverges")
    assert cli(*QUICK).exit_code == 3


@pytest.mark.parametrize("status", [1, 129, 143])
def test_an_app_that_failed_or_was_ended_sets_the_exit_code(
    cli: Cli, app: Opened, trainer: Trainer, status: int
) -> None:
    trainer("completes")
    app.status = status
    assert cli(*QUICK).exit_code == status


@pytest.mark.parametrize("flags", [("--headless",), ("--json",), ("--detach",)])
def test_headless_json_and_detach_do_not_open_the_app(
    cli: Cli, app: Opened, trainer: Trainer, flags: tuple[str, ...]
) -> None:
    trainer("completes")
    assert cli(*QUICK, *flags).exit_code == 0
    assert app.calls == []


def test_attach_opens_monitor_and_does_not_own_the_run(cli: Cli, app: Opened, trainer: Trainer) -> None:
    trainer("completes")
    cli(*QUICK, "--headless")
    assert cli("attach", "mine").exit_code == 0
    assert cli("attach", "mine", "--headless").exit_code == 0
    assert [(call["run"].id, call["own"]) for call in app.calls] == [("mine", False)]
