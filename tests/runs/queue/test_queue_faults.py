"""The queue after a reboot, and while everybody in it is killed, held and moved."""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from queued_runs import HERE, QueuedRuns

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import NotQueued
from wmse_tui.runs.process.lock import acquire_lock
from wmse_tui.runs.queue import positions, standby, tickets
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.gpu_slots import use_of
from wmse_tui.runs.state.watch import view_run

Eventually = Callable[[Callable[[], object]], None]
Record = Callable[[str, object], None]
SEED = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(2**32)))
TRIES = int(os.environ.get("FAULT_TRIES", "40"))


def test_after_a_reboot_nothing_starts_by_itself(queued: QueuedRuns, eventually: Eventually) -> None:
    """All processes end at once; reading the queue starts nothing, nor does a run that is queued anew."""
    a, b, c = (queued.queue(name) for name in "abc")
    eventually(lambda: view_run(a).status == "running")
    for process in queued.processes.values():
        process.send_signal(signal.SIGKILL)
    for process in queued.processes.values():
        assert process.wait() == -signal.SIGKILL
    queued.go()
    positions.forget()
    assert [view_run(run).status for run in (a, b, c)] == ["crashed", "new", "new"]
    assert positions.lost_notice().startswith("2 runs have lost their positions in the queue")
    queued.queue("d")
    eventually(lambda: queued.starts_and_ends == ["+a", "+d", "-d"])
    assert queued.processes["d"].wait(60) == 0
    assert positions.lost_notice().startswith("2 runs have lost their positions in the queue")
    for run in (b, c):
        queued.processes[run.id] = enqueue(run, wanted=HERE, python=queued.python)
    eventually(lambda: queued.starts_and_ends == ["+a", "+d", "-d", "+b", "-b", "+c", "-c"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "terminate"])
@pytest.mark.parametrize("victim", "bcde")
def test_a_waiting_process_that_ends_harms_no_other(
    queued: QueuedRuns, eventually: Eventually, victim: str, number: signal.Signals
) -> None:
    """The first in line, one between two others, one that is held, and the run that another comes after."""
    queued.queue("a")
    eventually(lambda: queued.starts_and_ends == ["+a"])
    _, c, d = (queued.queue(name) for name in "bcd")
    positions.hold(d)
    queued.queue("e", c)
    queued.processes[victim].send_signal(number)
    assert queued.processes[victim].wait() == -number
    lost = [entry.run.id for entry in tickets.entries() if entry.lost and entry.run is not None]
    assert lost == [victim]
    queued.go()
    expected = [name for name in "abce" if name != victim and not (victim == "c" and name == "e")]
    eventually(lambda: queued.starts_and_ends == [f"{sign}{name}" for name in expected for sign in "+-"])
    if victim == "c":
        assert view_run(queued.run("e")).status == "queued", "a run that was never started may still complete"
        queued.processes["c"] = enqueue(c, wanted=HERE, python=queued.python)
        eventually(lambda: queued.starts_and_ends[-1] == "-e")
    if victim != "d":
        assert positions.release(d)
        eventually(lambda: queued.starts_and_ends[-1] == "-d")


def test_a_waiting_process_survives_a_file_system_whose_locks_are_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As of a file server that is started again: reported once, and the position is not lost."""

    class Started(Exception):
        pass

    def execv(*_: object) -> None:
        raise Started

    answers: list[OSError | bool] = [OSError(errno.ENOLCK, "No locks available")] * 3 + [True, False]

    def is_locked(_: int) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(standby, "is_locked", is_locked)
    monkeypatch.setattr(os, "execv", execv)
    ticket = acquire_lock(tmp_path / "ticket")
    assert ticket is not None
    (tmp_path / "slot.lock").touch()
    words = standby.arguments(
        ticket,
        str(tmp_path / "ticket"),
        str(tmp_path / "queue.lock"),
        seconds=0.0,
        polls=1,
        conditions=[standby.Free(str(tmp_path / "slot.lock"))],
        command=["/python"],
    )
    with pytest.raises(Started):
        standby.main(words)
    os.close(ticket)
    assert answers == []
    assert capfd.readouterr().out == "waiting in the queue: [Errno 37] No locks available\n"


@pytest.mark.slow_faults
@pytest.mark.timeout(3600)
def test_queue_race(queued: QueuedRuns, monkeypatch: pytest.MonkeyPatch, record_property: Record) -> None:
    """Six runs at a time; what waits or trains is killed, held, moved, taken out: never two on the slot."""
    print(f"again with FAULT_SEED={SEED} FAULT_TRIES={TRIES}")
    monkeypatch.setenv("EXTRA_SECONDS", "0.3")
    queued.go()
    draw, did = random.Random(SEED), Counter[str]()
    runs = [queued.queue(f"run-{number}") for number in range(6)]
    while did.total() < TRIES:
        time.sleep(draw.uniform(0, 0.5))
        for place, run in enumerate(runs):
            if view_run(run).status == "completed":
                runs[place] = queued.queue(f"run-{len(queued.processes)}")
            elif queued.processes[run.id].poll() is not None:  # killed, or taken out
                queued.processes[run.id] = enqueue(run, wanted=HERE, python=queued.python)
        did[disturb(draw, queued, draw.choice(runs))] += 1
    for run in runs:
        positions.forget()
        if queued.processes[run.id].poll() is not None and view_run(run).status != "completed":
            queued.processes[run.id] = enqueue(run, wanted=HERE, python=queued.python)
        if tickets.of_run(run) is not None:
            positions.release(run)
    for run in runs:
        assert queued.processes[run.id].wait(120) == 0
    begun = Counter(line[1:] for line in queued.starts_and_ends if line[0] == "+")
    assert not [line for line in queued.starts_and_ends if line[0] == "!"], "two on one slot"
    assert (
        {line[1:] for line in queued.starts_and_ends if line[0] == "-"} == set(begun) == set(queued.processes)
    )
    assert (tickets.entries(), use_of("machine")) == ((), "")
    record_property("tries", did.total())
    record_property("faults", dict(did))


def disturb(draw: random.Random, queued: QueuedRuns, run: RunDirectory) -> str:
    """One disturbance of a process that waits or trains; what it was."""
    change = draw.choice(
        (None, None, positions.hold, positions.release, positions.go_first, positions.cancel)
    )
    if change is None:
        queued.processes[run.id].kill()
        queued.processes[run.id].wait()
        return "kill"
    try:
        change(run)
    except NotQueued:
        return "too late"
    return change.__name__
