"""Standard streams that are closed, full or of another encoding do not fail a command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.state.watch import view_run

DRIVER = """
import functools, sys
import wmse_tui.cli.commands.bench as bench
import wmse_tui.runs.process.launch as launch
launch.launch_trainer = functools.partial(launch.launch_trainer, python=sys.argv.pop(1))
bench.interpreter_command = lambda *_: ["/bin/echo", '{"result": {}}']
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


@pytest.mark.parametrize("redirection", [">/dev/full", ">&- 2>&-"])
def test_what_was_queued_counts_although_its_name_was_lost(
    shell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, redirection: str
) -> None:
    """After another exit code a script would queue the same runs again."""
    create_run(tmp_path / "runs", dump_experiment(load_experiment(preset="quickstart")), name="first")
    sweep = f"{RUN} --sweep seed=1,2 --after first --yes"
    done = shell(sweep, redirection)
    assert done.returncode == 0, done.stderr
    names = [f"mine-{number}" for number in (1, 2)]
    try:
        assert sorted(run.name for run in (tmp_path / "runs").glob("mine-*")) == names
        assert ("some output was lost" in done.stderr) == (redirection == ">/dev/full")
    finally:
        for name in names:
            assert shell(f"queue cancel {name}", "").returncode == 0


@pytest.mark.parametrize("redirection", ["2>&-", "<&- >&- 2>&-"])
def test_the_program_that_a_command_becomes_has_streams(
    shell: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, redirection: str
) -> None:
    assert shell(f"{RUN} --headless", "").returncode == 0
    assert shell("follow mine --to csv", redirection).returncode == 0
    assert (tmp_path / "runs" / "mine" / "followers" / "csv").is_dir()


@pytest.mark.parametrize(
    "words",
    ["presets", "runs", "doctor --help", "config schema", "queue", "nonsense", "bench --json"],
)
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
