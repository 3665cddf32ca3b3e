"""The app in an interactive shell: suspended, and resumed by `fg`; started in a deleted folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from pseudo_terminal import PseudoTerminal

APP = "from wmse_tui.cli.main import main; main()"
ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"
"""Codes that enter and leave the alternate screen."""


@pytest.fixture
def app_command() -> str:
    """The app as a shell starts it."""
    return shlex.join([sys.executable, "-P", "-c", APP])


def test_a_shell_resumes_the_app_that_was_suspended(environ: dict[str, str], app_command: str) -> None:
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with PseudoTerminal(shell, environ={**environ, "PS1": "ready> "}) as terminal:

        def type_and_wait(keys: str, *expected: str) -> None:
            terminal.forget()
            terminal.type(keys)
            for text in expected:
                terminal.wait_for(text)

        terminal.wait_for("ready> ")
        type_and_wait(f"{app_command}\r", ENTERED, "Configure")
        terminal.wait_quiet()
        for _ in range(2):
            type_and_wait("Z", LEFT, "Stopped", "ready> ")
            type_and_wait("echo $((6 * 7)) here\r", "42 here")
            type_and_wait("fg\r", ENTERED, "Configure")
            terminal.wait_quiet()
        type_and_wait("q", LEFT, "ready> ")
        type_and_wait("echo status $?\r", "status 0")
        terminal.type("exit\r")
        assert terminal.wait(30) == 0


def test_the_app_opens_in_a_folder_that_was_deleted(
    environ: dict[str, str], app_command: str, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"cd {shlex.quote(str(gone))} && rmdir {shlex.quote(str(gone))} && exec {app_command}"
    with PseudoTerminal(["bash", "-c", program], environ=environ) as terminal:
        terminal.wait_for("Configure")
        for key, title in (("2", "Monitor"), ("3", "Runs"), ("4", "Compare"), ("5", "Paper")):
            terminal.forget()
            terminal.type(key)
            terminal.wait_for(title)
            assert terminal.poll() is None
        terminal.type("q")
        assert terminal.wait(30) == 0
