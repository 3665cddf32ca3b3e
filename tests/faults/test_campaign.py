"""Training runs that are killed at any operation and at any moment lose nothing; only when asked for."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import campaign
import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.engine.training.checkpoints import read_checkpoint
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.state.watch import view_run

Record = Callable[[str, object], None]
SEED = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(2**32)))
TRIES = int(os.environ.get("FAULT_TRIES", "40"))

pytestmark = [pytest.mark.slow_faults, pytest.mark.timeout(3600)]


def test_killed_at_any_operation(tmp_path: Path, record_property: Record) -> None:
    """SIGKILL at the n-th file operation of a whole run, sometimes again when it is resumed."""
    print(f"again with FAULT_SEED={SEED} FAULT_TRIES={TRIES}")
    done = subprocess.run(
        [sys.executable, campaign.__file__, str(tmp_path), str(SEED), str(TRIES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["problems"] == []
    assert result["kills"] >= TRIES
    for name in ("tries", "kills"):
        record_property(name, result[name])


def test_kill9_resume_bitwise(tmp_path: Path, record_property: Record) -> None:
    """Real trainers, killed or terminated at random moments, their logs torn at random: the same bits."""
    print(f"again with FAULT_SEED={SEED} FAULT_TRIES={TRIES}")
    draw = random.Random(SEED)
    experiment = load_experiment(
        preset="quickstart",
        overrides=(
            *campaign.TINY,
            "schedule.epochs=40",
            "evaluation.every=10",
            "checkpoint.every_minutes=0.002",
        ),
    )
    text = dump_experiment(experiment)
    whole, killed = (create_run(tmp_path, text, name=name) for name in ("undisturbed", "killed"))
    assert train(whole).wait() == 0

    kills = terms = torn = 0
    for number in range(TRIES):
        process = train(killed)
        wait_for_a_step(killed, process)
        time.sleep(draw.uniform(0, 0.3))
        how = signal.SIGTERM if number % 5 == 4 else signal.SIGKILL
        process.send_signal(how)
        code = process.wait(60)
        if view_run(killed).status == "completed":
            break
        kills += code == -signal.SIGKILL
        terms += how == signal.SIGTERM
        if number % 3 == 0:
            with killed.events.open("ab") as log:
                log.write(b'{"v":1,"seq":99999,"t":17')
            torn += 1
    assert train(killed).wait() == 0
    ours, theirs = (read_checkpoint(run.checkpoints / "final.pt") for run in (killed, whole))
    assert campaign.same(ours, theirs)
    state = view_run(killed)
    assert state.loss.values() == view_run(whole).loss.values()
    assert (state.missing, state.unreadable, state.status) == (0, 0, "completed")
    for name, value in (("tries", kills + terms), ("kills", kills), ("terminated", terms), ("torn", torn)):
        record_property(name, value)


def train(run: RunDirectory) -> subprocess.Popen[bytes]:
    with run.trainer_log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "wmse_tui.engine", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )


def wait_for_a_step(run: RunDirectory, process: subprocess.Popen[bytes]) -> None:
    """Wait until it trains; one that has nothing left to do ends instead."""
    attempt = view_run(run).attempt
    while process.poll() is None:
        state = view_run(run)
        if (
            state.attempt > attempt
            and state.step > 0
            and state.phase is not None
            and state.phase.name == "train"
        ):
            return
        time.sleep(0.02)
