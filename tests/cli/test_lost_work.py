"""Commands that would train a run again from step 0: they report what is lost, and ask where they can."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from events import checkpoint
from typer.testing import Result

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.lock import acquire_lock
from wmse_tui.runs.queue import positions, tickets
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.gpu_slots import make_folders, slot_lock
from wmse_tui.runs.state.watch import view_run

Cli = Callable[..., Result]
Trainer = Callable[..., None]
QUICK = ("run", "--preset", "quickstart", "--set", "compute.device=cpu")
HEADLESS = (*QUICK, "--headless")
UNSAVED = (
    "warning: mine: the log has 4 steps, and no checkpoint was saved yet; training begins again from step 0"
)
GONE = (
    "warning: mine: the log has 4 steps and a checkpoint of step 4, and checkpoints/ has none; "
    "training begins again from step 0"
)
RESUMED: dict[str, tuple[str, ...]] = {
    "resume": ("resume", "mine", "--headless"),
    "run --name": (*HEADLESS, "--name", "mine"),
    "run --resume": ("run", "--resume", "mine", "--headless"),
    "resume --queue": ("resume", "mine", "--queue"),
    "resume --detach": ("resume", "mine", "--detach"),
    "resume --after": ("resume", "mine", "--after", "other"),
}
"""Every way to continue a run."""


@pytest.fixture
def killed(cli: Cli, trainer: Trainer, tmp_path: Path) -> RunDirectory:
    """The run `mine`, killed after four steps, and a trainer for its next attempt; `other` has completed."""
    trainer("killed")
    cli(*HEADLESS, "--name", "mine")
    trainer("completes")
    cli(*HEADLESS, "--name", "other")
    return RunDirectory(tmp_path / "runs" / "mine")


@pytest.fixture
def without_checkpoint(killed: RunDirectory) -> RunDirectory:
    """The same; its log has a checkpoint that is not there."""
    with EventWriter(killed.events) as log:
        log.begin_attempt()
        log.write(checkpoint(4, "step-00000004.pt"))
    return killed


@pytest.fixture
def occupied() -> Iterator[None]:
    """The slot of the machine is in use: what is queued stays there."""
    make_folders()
    slot = acquire_lock(slot_lock("machine"))
    assert slot is not None
    yield
    os.close(slot)


def end(run: RunDirectory) -> None:
    if tickets.of_run(run) is not None:
        positions.cancel(run)


@pytest.mark.parametrize("way", RESUMED)
def test_a_script_continues_a_run_that_had_saved_nothing_and_says_so(
    cli: Cli, killed: RunDirectory, occupied: None, way: str
) -> None:
    """As when a scheduler starts a job again that was killed in its first minutes."""
    result = cli(*RESUMED[way])
    assert result.exit_code == 0
    assert UNSAVED in result.stderr
    end(killed)


@pytest.mark.parametrize("way", RESUMED)
def test_a_script_must_confirm_that_saved_work_is_done_again(
    cli: Cli, without_checkpoint: RunDirectory, occupied: None, way: str
) -> None:
    attempts = view_run(without_checkpoint).attempt
    refused = cli(*RESUMED[way])
    assert refused.exit_code == 2
    assert GONE in refused.stderr
    assert "training mine again from step 0 needs a confirmation" in refused.stderr
    assert "or confirm it: --yes" in refused.stderr
    assert tickets.of_run(without_checkpoint) is None
    assert view_run(without_checkpoint).attempt == attempts
    confirmed = cli(*RESUMED[way], "--yes")
    assert confirmed.exit_code == 0
    assert GONE in confirmed.stderr
    end(without_checkpoint)


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_terminal_is_asked(
    killed: RunDirectory, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, saved: bool, answer: str
) -> None:
    from wmse_tui.cli.start.start import confirm_lost_work

    if saved:
        with EventWriter(killed.events) as log:
            log.begin_attempt()
            log.write(checkpoint(4, "step-00000004.pt"))
    asked: list[str] = []

    def confirm(text: str, *, abort: bool, err: bool) -> bool:
        asked.append(text)
        if answer == "n" and abort:
            raise KeyboardInterrupt
        return err

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", confirm)
    if answer == "n":
        with pytest.raises(KeyboardInterrupt):
            confirm_lost_work(killed, view_run(killed), yes=False)
    else:
        confirm_lost_work(killed, view_run(killed), yes=False)
    assert asked == ["Train mine again from step 0?"]
    confirm_lost_work(killed, view_run(killed), yes=True)
    assert len(asked) == 1


def test_an_older_checkpoint_is_reported_and_not_asked_about(
    cli: Cli, without_checkpoint: RunDirectory
) -> None:
    (without_checkpoint.checkpoints / "step-00000002.pt").touch()
    result = cli("resume", "mine", "--headless")
    assert result.exit_code == 0
    assert (
        "warning: mine: the checkpoint of step 4 is not there, the newest is of step 2; "
        "2 steps of the log are done again" in result.stderr
    )


def test_queue_again_must_be_confirmed_too(
    cli: Cli, without_checkpoint: RunDirectory, occupied: None
) -> None:
    waiting = enqueue(without_checkpoint)
    waiting.kill()
    waiting.wait()
    refused = cli("queue", "again")
    assert refused.exit_code == 1
    assert GONE in refused.stderr
    assert "or confirm it: --yes" in refused.stderr
    entry = tickets.of_run(without_checkpoint)
    assert entry is not None
    assert entry.lost
    assert cli("queue", "again", "--yes").exit_code == 0
    end(without_checkpoint)


def test_a_sweep_reports_it_before_its_own_question(
    cli: Cli, trainer: Trainer, tmp_path: Path, occupied: None
) -> None:
    trainer("killed")
    cli(*HEADLESS, "--set", "seed=3", "--name", "mine-1")
    sweep = (*QUICK, "--sweep", "seed=3", "--name", "mine")
    refused = cli(*sweep)
    assert refused.exit_code == 2
    assert "warning: mine-1: the log has 4 steps, and no checkpoint was saved yet" in refused.stderr
    assert cli(*sweep, "--yes").exit_code == 0
    end(RunDirectory(tmp_path / "runs" / "mine-1"))


def test_yes_without_a_question_is_refused(cli: Cli) -> None:
    result = cli(*HEADLESS, "--yes")
    assert result.exit_code == 2
    assert "--yes needs --sweep, --slurm, --name or --resume" in result.stderr
