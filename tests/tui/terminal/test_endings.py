"""Every end of the app has the right exit code, restores the terminal and does not stop the trainer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from wmse_tui.tui import ending

LEFT = (b"\x1b[?1049l", b"\x1b[?1003l", b"\x1b[?25h")
"""Codes that leave the alternate screen, stop mouse reports and show the cursor."""
OPEN = ()
PLANTED = "ValueError: planted [/red] \\x1b]0;title\\x07"

FAILING_KEY = """
from wmse_tui.tui.app import WmseApp
def fail(self): raise ValueError("planted [/red] \\x1b]0;title\\x07")
WmseApp.action_next_theme = fail
"""
FAILING_THREAD = """
from wmse_tui.runs.state.watch import RunWatcher
poll = RunWatcher.poll
def fail(self, **options):  # the thread of the feed alone polls with a time budget
    if options: raise ValueError("planted [/red] \\x1b]0;title\\x07")
    return poll(self)
RunWatcher.poll = fail
"""
FAILING_START = """
from wmse_tui.tui.app import WmseApp
def fail(self): raise ValueError("planted [/red] \\x1b]0;title\\x07")
WmseApp.on_mount = fail
"""


def test_every_grace_period_ends_within_two_seconds() -> None:
    assert ending.GRACE_SECONDS + max(ending.POLL_SECONDS, ending.DRAIN_SECONDS) < 2


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGUSR1, 143)],
)
def test_a_signal_ends_the_app_and_not_the_trainer(
    open_app: Callable[..., Any], number: int, status: int
) -> None:
    scene = open_app()
    scene.training()
    os.kill(scene.terminal.pid, number)
    assert scene.terminal.wait(10) == status
    scene.terminal.wait_for(lambda seen: all(code in seen for code in LEFT))
    assert scene.terminal.modes() == scene.terminal.modes_before
    assert scene.keeps_training()
    assert scene.longest_gap() < 2


def test_a_byte_that_is_not_utf8_is_passed_over(open_app: Callable[..., Any]) -> None:
    """An accented letter of Latin-1, Meta of eight bits, and a mouse report in the old encoding."""
    scene = open_app()
    scene.training()
    for keys in ("\udce9", "a\udcffb", "\x1b[M \udca2(", "\x1b[200~\udce9\x1b[201~"):
        scene.terminal.type(keys)
        time.sleep(0.2)
    scene.terminal.forget()
    scene.terminal.type("?")
    scene.terminal.wait_for("One run:")
    assert scene.terminal.poll() is None


def test_ctrl_z_suspends_the_app_and_a_continued_one_is_drawn_again(open_app: Callable[..., Any]) -> None:
    scene = open_app()
    scene.training()
    scene.terminal.type("Z")
    deadline = time.monotonic() + 60
    while scene.terminal.process.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline, "the app was never suspended"
        time.sleep(0.02)
    assert scene.terminal.modes() == scene.terminal.modes_before
    assert scene.keeps_training()
    scene.terminal.forget()
    os.kill(scene.terminal.pid, signal.SIGCONT)
    scene.terminal.wait_for("wmse-tui")
    assert scene.terminal.modes() != scene.terminal.modes_before
    os.kill(scene.terminal.pid, signal.SIGTERM)
    assert scene.terminal.wait(10) == 143
    assert scene.terminal.modes() == scene.terminal.modes_before


@pytest.mark.parametrize("ignored", [False, True], ids=["normal", "under nohup"])
def test_a_terminal_that_hangs_up_ends_the_app_and_not_the_trainer(
    open_app: Callable[..., Any], ignored: bool
) -> None:
    scene = open_app(ignore_hang_up=ignored)
    scene.training()
    before = scene.terminal.cpu_seconds()
    after = [before]

    def over() -> bool:
        if scene.terminal.poll() is None:
            after.append(scene.terminal.cpu_seconds())
        return scene.terminal.poll() is not None

    scene.terminal.hang_up()
    while not over():
        time.sleep(0.02)
    assert scene.terminal.status == 129
    assert after[-1] - before < 1.5  # it polls a terminal that is always "readable" no longer than that
    assert scene.keeps_training()
    assert scene.longest_gap() < 2


def test_the_app_that_is_killed_leaves_the_trainer_alone(open_app: Callable[..., Any]) -> None:
    scene = open_app()
    scene.training()
    os.kill(scene.terminal.pid, signal.SIGKILL)
    assert scene.terminal.wait(10) == -signal.SIGKILL
    assert scene.keeps_training()
    assert scene.longest_gap() < 2


@pytest.mark.parametrize("plant", [FAILING_KEY, FAILING_THREAD], ids=["in a key", "in a thread"])
def test_an_error_in_the_app_is_reported_and_saved_and_the_trainer_continues(
    open_app: Callable[..., Any], tmp_path: Path, plant: str
) -> None:
    scene = open_app(plant=plant)
    if plant is FAILING_KEY:
        scene.training()
        scene.terminal.type("\x14")
    assert scene.terminal.wait(20) == 1
    scene.terminal.wait_for("trainers are not affected")
    seen = scene.terminal.seen()
    assert all(code in seen for code in LEFT)
    message = seen.split(b"\x1b[?1049l")[-1].decode()
    assert f"an error inside the app: {PLANTED}" in message
    assert "Traceback" not in message
    (file,) = (tmp_path / "cache" / "crashes").iterdir()
    assert str(file) in message.replace("\r\n", "")
    assert "planted [/red]" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert scene.terminal.modes() == scene.terminal.modes_before
    assert scene.keeps_training()


def test_an_error_before_the_first_frame_is_reported_too(open_app: Callable[..., Any]) -> None:
    scene = open_app(OPEN, plant=FAILING_START)
    assert scene.terminal.wait(20) == 1
    scene.terminal.wait_for(PLANTED)
    assert scene.terminal.modes() == scene.terminal.modes_before


def test_quitting_by_a_key_returns_zero_and_restores_the_terminal(open_app: Callable[..., Any]) -> None:
    scene = open_app(OPEN)
    scene.terminal.wait_for("wmse-tui")
    scene.terminal.wait_quiet()
    scene.terminal.type("q")
    assert scene.terminal.wait(10) == 0
    scene.terminal.wait_for(lambda seen: all(code in seen for code in LEFT))
    assert scene.terminal.modes() == scene.terminal.modes_before


def test_a_terminal_that_stops_reading_cannot_hold_up_the_app_and_is_restored_later(
    open_app: Callable[..., Any],
) -> None:
    scene = open_app()
    scene.training()
    scene.stop_reading()
    os.kill(scene.terminal.pid, signal.SIGTERM)
    assert scene.terminal.wait(10) == 143
    assert scene.terminal.modes() == scene.terminal.modes_before
    scene.terminal.resume_reading()
    scene.terminal.wait_for(lambda seen: all(code in seen for code in LEFT))
    assert scene.terminal.seen().endswith(ending.RESTORE.encode())
    assert scene.keeps_training()
    assert scene.longest_gap() < 2


def test_a_hang_up_of_a_terminal_that_stopped_reading_ends_the_app(open_app: Callable[..., Any]) -> None:
    scene = open_app()
    scene.training()
    scene.stop_reading()
    scene.terminal.hang_up()
    assert scene.terminal.wait(10) == 129
    assert scene.keeps_training()


def test_a_terminal_that_is_read_again_after_a_while_is_served(open_app: Callable[..., Any]) -> None:
    scene = open_app()
    scene.training()
    scene.stop_reading()
    before = scene.terminal.cpu_seconds()
    assert scene.keeps_training()
    assert scene.terminal.cpu_seconds() - before < 0.5  # it waits, it does not spin
    scene.terminal.resume_reading()
    scene.terminal.wait_for(lambda seen: len(seen) > 64 * 1024)  # more than the terminal itself holds
    scene.terminal.wait_quiet(0.2)
    scene.terminal.forget()

    def served(seen: bytes) -> bool:
        """A key opens the help; it closes it where the last of the many opened it."""
        if b"Everywhere" not in seen:
            scene.terminal.type("?")
            scene.terminal.wait_quiet(0.2)
        return b"Everywhere" in seen

    scene.terminal.wait_for(served)
    assert scene.longest_gap() < 2


def test_without_a_terminal_the_app_names_the_alternatives(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from wmse_tui.cli.main import main; main()"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "the app needs a terminal" in done.stderr
    assert "ssh -t HOST wmse-tui" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_a_terminal_without_cursor_movement_is_refused(open_app: Callable[..., Any]) -> None:
    scene = open_app(OPEN, TERM="dumb")
    assert scene.terminal.wait(20) == 2
    scene.terminal.wait_for("TERM is dumb")


@pytest.mark.slow
def test_the_real_trainer_continues_after_the_hang_up(open_app: Callable[..., Any]) -> None:
    small = (
        "dataset.train_images=512",
        "dataset.test_images=64",
        "schedule.epochs=1000",
        "evaluation.every=1000",
    )
    scene = open_app(
        ("run", "--preset", "quickstart", "--name", "mine", *(part for s in small for part in ("--set", s))),
        real=True,
    )
    scene.training()
    scene.terminal.hang_up()
    assert scene.terminal.wait(10) == 129
    assert scene.keeps_training(4)
