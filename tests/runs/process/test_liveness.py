"""The state of a run from what can be seen of it: the table, line by line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wmse_tui.runs.log.events import Error, Exit, Phase
from wmse_tui.runs.process.identity import Process, TrainerRecord
from wmse_tui.runs.process.liveness import PATIENCE, TrainerEvidence, patience, status_of
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.state.throughput import Throughput

PROCESS = Process(42, 1000, "boot", "server")
TRAINER = TrainerRecord(process=PROCESS, time=100.0, host="server", attempt=2)
LAUNCH = TrainerRecord(process=None, time=100.0, host="server")
TRAINING = RunState(seq=9, attempt=2, phase=Phase("train"))
ENDED = replace(TRAINING, phase=None, exit=Exit(status="stopped", step=1, epoch=1, seconds=1.0))
BROKEN = replace(TRAINING, error=Error(code="E_DATA", title="no images", stage="start"))
NO_TRAINER = TrainerEvidence(lock_held=False, trainer=None)
HELD = TrainerEvidence(lock_held=True, trainer=TRAINER, process_running=True, identified=True)
EXITED_TRAINER = TrainerEvidence(lock_held=False, trainer=TRAINER, process_running=False)
ELSEWHERE = replace(EXITED_TRAINER, process_running=None, local=False)
SLOW = Throughput(spans=((30.0, 1),))


@pytest.mark.parametrize(
    ("run_state", "evidence", "state", "reason"),
    [
        # never started
        (RunState(), NO_TRAINER, "new", ""),
        # a launch, before the trainer has written an event
        (RunState(), replace(NO_TRAINER, trainer=LAUNCH, since_launch=59), "starting", ""),
        (
            RunState(),
            replace(NO_TRAINER, trainer=LAUNCH, since_launch=61),
            "crashed",
            "the last start failed",
        ),
        (ENDED, replace(NO_TRAINER, trainer=LAUNCH, since_launch=1), "starting", ""),
        (
            ENDED,
            replace(NO_TRAINER, trainer=LAUNCH, since_launch=61),
            "stopped",
            "the last start failed",
        ),
        (RunState(), replace(HELD, trainer=LAUNCH), "starting", ""),
        (RunState(), replace(HELD, lock_held=False), "starting", ""),
        (replace(ENDED, attempt=1), HELD, "starting", ""),
        # held
        (TRAINING, HELD, "running", ""),
        (replace(TRAINING, phase=None), HELD, "running", ""),
        (replace(TRAINING, phase=Phase("paused")), replace(HELD, since_growth=9e9), "paused", ""),
        (TRAINING, replace(HELD, since_growth=59), "running", ""),
        (
            TRAINING,
            replace(HELD, since_growth=200),
            "stalled",
            "nothing was logged for 3 min; `kill -QUIT 42`",
        ),
        (replace(TRAINING, phase=None), replace(HELD, since_growth=61), "stalled", "nothing was logged"),
        (replace(TRAINING, phase=Phase("trial")), replace(HELD, since_growth=61), "stalled", "nothing was"),
        (replace(TRAINING, phase=Phase("linear")), replace(HELD, since_growth=9e9), "running", ""),
        (replace(TRAINING, pace=SLOW), replace(HELD, since_growth=599), "running", ""),
        (replace(TRAINING, pace=SLOW), replace(HELD, since_growth=601), "stalled", "nothing was logged"),
        (TRAINING, replace(HELD, suspended=True), "stalled", "process 42 is suspended; `kill -CONT 42`"),
        (ENDED, HELD, "stopped", ""),
        (BROKEN, HELD, "running", ""),
        (TRAINING, replace(HELD, trainer=None, process_running=None), "running", ""),
        # free
        (ENDED, EXITED_TRAINER, "stopped", ""),
        (BROKEN, EXITED_TRAINER, "failed", "no images"),
        (replace(ENDED, error=BROKEN.error), EXITED_TRAINER, "stopped", "no images"),
        (TRAINING, EXITED_TRAINER, "crashed", "process 42 ended without an exit event"),
        (replace(ENDED, attempt=1), EXITED_TRAINER, "crashed", "process 42 ended"),
        (TRAINING, NO_TRAINER, "crashed", "the trainer ended without an exit event"),
        # another machine, which the lock may not reach
        (ENDED, replace(EXITED_TRAINER, process_running=None, local=False), "stopped", ""),
        (TRAINING, replace(ELSEWHERE, since_growth=60), "running", "on server"),
        (TRAINING, replace(ELSEWHERE, since_growth=121), "unknown", "nothing was logged for 2 min"),
        (TRAINING, replace(ELSEWHERE, since_growth=360), "unknown", "nothing was logged for 6 min"),
        (TRAINING, replace(ELSEWHERE, since_growth=361), "crashed", "it ran on server, and nothing more"),
        (TRAINING, replace(HELD, local=False, since_growth=360), "running", ""),
        (TRAINING, replace(HELD, local=False, since_growth=361), "stalled", "nothing was logged for 6 min"),
        # no locks
        (TRAINING, replace(HELD, lock_held=None), "running", ""),
        (TRAINING, replace(HELD, lock_held=None, since_growth=61), "stalled", "nothing was logged"),
        (TRAINING, replace(EXITED_TRAINER, lock_held=None), "crashed", "process 42 ended"),
        (ENDED, replace(EXITED_TRAINER, lock_held=None), "stopped", ""),
        (
            TRAINING,
            replace(ELSEWHERE, lock_held=None, since_growth=361),
            "unknown",
            "it ran on server, and nothing more was logged",
        ),
    ],
)
def test_the_state_is_what_can_be_seen(
    run_state: RunState, evidence: TrainerEvidence, state: Status, reason: str
) -> None:
    found, why = status_of(run_state, evidence)
    assert found == state
    assert why.startswith(reason) or (reason and reason in why)
    assert bool(why) == bool(reason)


@pytest.mark.parametrize("status", ["completed", "stopped", "diverged", "failed"])
def test_the_last_word_is_the_state(status: Status) -> None:
    run_state = replace(TRAINING, exit=Exit(status=status, step=1, epoch=1, seconds=1.0))  # type: ignore[arg-type]
    assert status_of(run_state, EXITED_TRAINER) == (status, "")


def test_patience_is_a_minute_or_twenty_steps() -> None:
    assert patience(TRAINING) == PATIENCE == 60
    assert patience(replace(TRAINING, pace=SLOW)) == 600
    assert patience(replace(TRAINING, pace=Throughput(spans=((1.0, 100), (1.0, 100), (900.0, 1))))) == 60
