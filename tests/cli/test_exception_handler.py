"""The exception handler: user errors become messages, bugs a line and a file, a closed output is quiet."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import typer

from wmse_tui.cli.console import UserError
from wmse_tui.cli.exception_handler import handle_exceptions
from wmse_tui.cli.exits import ExitCode
from wmse_tui.config.problems import ConfigError, Problem
from wmse_tui.runs.errors import SYSTEM_STEPS, RunBusy, RunNotFound, StorageError


def exit_code(error: BaseException) -> int:
    """The exit code that `error` becomes."""
    with pytest.raises(typer.Exit) as caught, handle_exceptions():
        raise error
    return caught.value.exit_code


def test_a_user_error_is_printed_with_what_where_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = UserError(
        "no run is called 'x'", "Searched /runs.\nThere are none.", ("start one",), ExitCode.USAGE
    )
    assert exit_code(error) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "wmse-tui: no run is called 'x'\n  Searched /runs.\n  There are none.\n  -> start one\n"
    )


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(UserError("bad \x1b]52;c;ZXZpbA==\x07 name", "detail \x9b31m", ("do \u202e this",)))
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(capsys.readouterr().err)


def test_every_problem_of_a_configuration_is_printed_with_file_and_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problems = [
        Problem("method.whitening_size", "64 is too small", "use 128", line=14, source="stl10.yaml"),
        Problem("optimizer.lr", "expected a number", source="--set optimizer.lr"),
    ]
    assert exit_code(ConfigError(problems)) == 2
    assert capsys.readouterr().err == (
        "wmse-tui: the configuration has 2 problems\n"
        "  stl10.yaml:14: method.whitening_size: 64 is too small; use 128\n"
        "  --set optimizer.lr: expected a number\n"
    )


def test_errors_about_runs_have_their_next_steps_and_the_right_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code(RunNotFound("no run x", "in /runs", next=("did you mean y?",))) == ExitCode.USAGE
    assert exit_code(RunBusy("run x is being trained already", "by process 7 on host")) == ExitCode.BUSY
    assert exit_code(StorageError("cannot read", "/x")) == ExitCode.FAILED
    assert "  -> did you mean y?\n" in capsys.readouterr().err


@pytest.mark.parametrize("number", SYSTEM_STEPS)
def test_a_usual_system_error_names_the_path_and_a_remedy(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(OSError(number, "it cannot be", "/some/path")) == ExitCode.FAILED
    message = capsys.readouterr().err
    assert message.startswith("wmse-tui: /some/path: it cannot be\n  -> ")
    assert "Traceback" not in message


def test_a_bug_is_one_line_and_a_file_with_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path))
    assert exit_code(ZeroDivisionError("by zero")) == ExitCode.FAILED
    first, second = capsys.readouterr().err.splitlines()
    assert first == "wmse-tui: internal error: ZeroDivisionError: by zero"
    (file,) = (tmp_path / "crashes").iterdir()
    assert str(file) in second
    assert "Traceback" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_bug_is_still_reported_where_the_traceback_cannot_be_saved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "file"))
    assert exit_code(ZeroDivisionError("by zero")) == ExitCode.FAILED
    message = capsys.readouterr().err
    assert "could not be saved" in message
    assert "Traceback" in message


def test_a_terminal_that_hung_up_ends_the_command_quietly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code(OSError(errno.EIO, "Input/output error")) == ExitCode.HUNG_UP
    assert exit_code(BrokenPipeError(errno.EPIPE, "Broken pipe")) == ExitCode.OUTPUT_CLOSED
    assert capsys.readouterr().err == ""


def test_ctrl_c_exits_with_130_and_no_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(KeyboardInterrupt()) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_exits_and_usage_errors_of_typer_pass_untouched() -> None:
    with pytest.raises(typer.Exit) as caught, handle_exceptions():
        raise typer.Exit(4)
    assert caught.value.exit_code == 4
    with pytest.raises(typer.BadParameter), handle_exceptions():
        raise typer.BadParameter("not a number")
