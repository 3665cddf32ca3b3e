"""Standard streams that are closed, full or of another encoding do not fail a command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.watch import view_run

DRIVER = """
import functools, sys
import wmse_tui.runs.process.launch as launch
launch.launch_trainer = functools.partial(launch.launch_trainer, python=sys.argv.pop(1))
from wmse_tui.cli.main import main
main()
"""


@pytest.fixture
def shell(standin: Callable[..., Path]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `wmse-tui WORDS REDIRECTION` in a shell, with a stand-in for the trainer."""

    def execute(words: str, redirection: str, **environ: str) -> subprocess.CompletedProcess[str]:
        driver = f'"{sys.executable}" -c "$DRIVER" "{standin("completes")}"'
        return subprocess.run(
            ["bash", "-c", f"{driver} {words} {redirection}"],
            capture_output=True,
            text=True,
            env={**os.environ, "DRIVER": DRIVER, **environ},
            timeout=60,
            check=False,
        )

    return execute


BROKEN = (">/dev/full", "2>/dev/full", ">/dev/full 2>&1", ">&-", "2>&-", "<&- >&- 2>&-")
RUN = "run --preset quickstart --name mine"


@pytest.mark.parametrize("broken", BROKEN)
def test_a_run_is_followed_to_its_end_whatever_the_streams_are(
    shell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, broken: str
) -> None:
    done = shell(f"{RUN} --headless", broken)
    assert done.returncode == 0, done.stderr
    assert "internal error" not in done.stderr
    run = RunDirectory(tmp_path / "runs" / "mine")
    assert view_run(run).status == "completed"
    assert not run.trainer_log.read_text()


@pytest.mark.parametrize("option", ["--json", "--detach"])
def test_a_run_starts_whatever_the_streams_are(
    shell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, option: str
) -> None:
    done = shell(f"{RUN} {option}", ">/dev/full 2>&-")
    assert done.returncode == 0
    assert (tmp_path / "runs" / "mine" / "trainer.json").exists()


@pytest.mark.parametrize("words", ["presets", "runs", "doctor --help", "config schema", "queue", "nonsense"])
def test_lost_data_is_reported_and_a_closed_stream_is_not(
    shell: Callable[..., subprocess.CompletedProcess[str]], words: str
) -> None:
    whole = shell(words, "")
    full = shell(words, ">/dev/full")
    lost = "wmse-tui: some output was lost: stdout: No space left on device\n"
    assert (full.returncode, lost in full.stderr) == (
        (1, True) if whole.stdout else (whole.returncode, False)
    )
    for broken in (">&-", "2>&-", "2>/dev/full"):
        assert shell(words, broken).returncode == whole.returncode
    assert "Traceback" not in full.stderr


def test_a_character_that_the_encoding_lacks_is_replaced(
    shell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.yaml").write_text("extends: quickstart\ntitle: größer\n")
    done = shell("presets", "", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "gr??er" in done.stdout
    assert shell("show größer", "", PYTHONIOENCODING="ascii").returncode == 2
