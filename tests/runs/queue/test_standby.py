"""The small program that a waiting process is: what it costs, what wakes it, what it does on errors."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opened_files import opened_files
from queued_runs import QueuedRuns

from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.process.lock import acquire_lock
from wmse_tui.runs.queue import positions, standby, tickets
from wmse_tui.runs.queue.standby import CANCELLED, Condition, Elapsed, Ended, Enough, Free, Held
from wmse_tui.runs.state.watch import view_run

Eventually = Callable[[Callable[[], object]], None]
LARGEST = 5 * 1000
"""kB of memory of a waiting process: its share of what several processes have in common included."""


def is_small(pid: int) -> bool:
    return standby.__name__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def proportional_memory(pid: int) -> int:
    """The memory of a process in kB, with its share of what several processes have in common."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@pytest.fixture
def slot() -> Iterator[Callable[[], None]]:
    """The slot of the machine, in use until it is called."""
    from wmse_tui.runs.queue.gpu_slots import make_folders, slot_lock

    make_folders()
    descriptor = acquire_lock(slot_lock("machine"))
    assert descriptor is not None
    held = [descriptor]
    yield lambda: os.close(held.pop())
    for left in held:
        os.close(left)


# What it costs


def test_every_waiting_process_is_small(
    queued: QueuedRuns, slot: Callable[[], None], eventually: Eventually
) -> None:
    """The first, one behind it, one that comes after another run, one that is held, one that was held."""
    first, second = queued.queue("first"), queued.queue("second")
    queued.queue("later", first)
    held, released = queued.queue("held"), queued.queue("released")
    for run in (held, released):
        positions.hold(run)
    positions.release(released)
    for process in queued.processes.values():
        eventually(lambda: is_small(process.pid))  # noqa: B023 (called at once)
    sizes = {name: proportional_memory(process.pid) for name, process in queued.processes.items()}
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}
    assert view_run(second).position == 2


def test_a_check_opens_what_is_just_before_the_run_whatever_the_length_of_the_queue(
    queued: QueuedRuns, slot: Callable[[], None], eventually: Eventually
) -> None:
    for number in range(12):
        queued.queue(f"run-{number}")
    eventually(lambda: is_small(queued.processes["run-11"].pid))
    words = Path(f"/proc/{queued.processes['run-11'].pid}/cmdline").read_text().split("\0")
    before = next(entry.path for entry in tickets.entries() if entry.run and entry.run.id == "run-10")
    conditions: list[Condition] = [Held(str(queued.root / "run-11" / "trainer.lock")), Free(str(before))]
    there = [text for condition in conditions for text in condition.words]
    assert [word for word in words if word in there] == there
    with opened_files() as opened:
        assert not any(condition.met() for condition in conditions)
    assert [str(path) for path, _ in opened] == there  # the run's own lock is not there yet


# What wakes it


def conditions_met(path: Path) -> dict[str, tuple[Condition, Callable[[], object]]]:
    """A condition of each kind that is not met, and what meets it."""
    files = {name: path / name for name in ("free", "held", "lock", "log")}
    files["log"].write_text("a line\n")
    free, lock = acquire_lock(files["free"]), acquire_lock(files["lock"])
    assert free is not None
    assert lock is not None
    enough = [str(path / f"{slot}.{kind}") for slot in "abc" for kind in ("lock", "direct")]
    first, second = (acquire_lock(Path(taken)) for taken in (enough[0], enough[3]))
    assert first is not None
    assert second is not None
    ended = Ended(str(files["lock"]), "0", standby.state_of(str(files["log"])), str(files["log"]))
    return {
        "free": (Free(str(files["free"]), str(path / "missing")), lambda: os.close(free)),
        "enough": (Enough("2", *enough), lambda: os.close(second)),
        "held": (Held(str(files["held"])), lambda: acquire_lock(files["held"])),
        "ended": (ended, lambda: os.close(lock)),
        "elapsed": (Elapsed("0.2"), lambda: time.sleep(0.25)),
    }


@pytest.mark.parametrize("kind", standby.KINDS)
def test_a_condition_is_met_by_its_change_and_not_before(tmp_path: Path, kind: str) -> None:
    condition, meet = conditions_met(tmp_path)[kind]
    assert not condition.met()
    assert not condition.met()
    meet()
    assert condition.met()
    assert condition.met()


def test_a_run_without_a_visible_trainer_ends_when_its_log_has_stopped_growing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trainer is on a machine whose locks are not seen here."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = tmp_path / "events.jsonl"
    log.write_text("1\n")
    ended = Ended(str(tmp_path / "trainer.lock"), "0", standby.state_of(str(log)), str(log))
    assert not ended.met()
    for size in range(3, 10):
        log.write_text("1" * size)
        now[0] += standby.SETTLE_SECONDS / 2
        assert not ended.met()
    now[0] += standby.SETTLE_SECONDS
    assert ended.met()


def test_a_run_that_was_removed_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = tmp_path / "run" / "events.jsonl"
    log.parent.mkdir()
    log.write_text("1\n")
    ended = Ended(str(log.with_name("trainer.lock")), "0", standby.state_of(str(log)), str(log))
    log.unlink()
    log.parent.rmdir()
    assert not ended.met()
    now[0] += standby.SETTLE_SECONDS
    assert ended.met()


# The program


class Waiting:
    """The program with a ticket, and a command that leaves a file."""

    def __init__(self, folder: Path, conditions: list[Condition], command: list[str] | None = None) -> None:
        self.ticket, self.mark, self.done = folder / "1.waiting", folder / "queue.lock", folder / "done"
        self.mark.touch()
        descriptor = acquire_lock(self.ticket)
        assert descriptor is not None
        words = standby.arguments(
            descriptor,
            str(self.ticket),
            str(self.mark),
            seconds=0.02,
            polls=2,
            conditions=conditions,
            command=command or ["/bin/sh", "-c", 'printf "%s" "$0" > "$1"', "it's\nthe turn", str(self.done)],
        )
        self.process = subprocess.Popen(
            interpreter_command(standby.__name__, *words, options=("-I", "-S")),
            pass_fds=[descriptor],
            stdout=subprocess.PIPE,
            text=True,
        )
        os.close(descriptor)

    def output(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Callable[..., Waiting]]:
    made: list[Waiting] = []

    def start(*conditions: Condition, command: list[str] | None = None) -> Waiting:
        made.append(Waiting(tmp_path, list(conditions), command))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.communicate()


def test_a_removed_ticket_ends_it_with_the_mark(waiting: Callable[..., Waiting]) -> None:
    started = waiting()
    started.ticket.unlink()
    assert started.process.wait(60) == CANCELLED
    assert not started.mark.exists()
    assert not started.done.exists()


@pytest.mark.parametrize("change", ["renamed", "replaced"])
def test_a_changed_ticket_makes_it_the_command(waiting: Callable[..., Waiting], change: str) -> None:
    started = waiting()
    started.ticket.rename(started.ticket.with_suffix(".held"))
    if change == "replaced":
        started.ticket.touch()
    assert started.process.wait(60) == 0
    assert started.done.read_text() == "it's\nthe turn"
    assert started.mark.exists()


def test_a_met_condition_makes_it_the_command_in_the_same_process(
    tmp_path: Path, waiting: Callable[..., Waiting]
) -> None:
    command = ["/bin/sh", "-c", 'echo $$ > "$0"', str(tmp_path / "done")]
    started = waiting(Elapsed("600"), Elapsed("0.3"), command=command)
    assert started.process.wait(60) == 0
    assert int(started.done.read_text()) == started.process.pid


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_a_lock_that_cannot_be_tested_is_reported_once_and_waited_for(
    tmp_path: Path, waiting: Callable[..., Waiting], kind: str, eventually: Eventually
) -> None:
    lock = tmp_path / "slot.lock"
    if kind == "folder":
        lock.mkdir()
    elif kind == "fifo":
        os.mkfifo(lock)
    else:
        lock.symlink_to(tmp_path / "elsewhere")
    started = waiting(Free(str(lock)))
    time.sleep(0.5)
    assert started.process.poll() is None
    lock.rmdir() if kind == "folder" else lock.unlink()
    assert started.process.wait(60) == 0
    lines = started.output().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("waiting in the queue: ")
    assert str(lock) in lines[0]


def test_a_command_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The file server with the interpreter is away for a moment; the position is not lost."""

    class Started(Exception):
        pass

    tries: list[list[str]] = []

    def execv(path: str, words: list[str]) -> None:
        tries.append(words)
        if len(tries) == 3:
            raise Started
        raise FileNotFoundError(2, "No such file or directory", path)

    slept: list[float] = []
    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(time, "sleep", slept.append)
    ticket = acquire_lock(tmp_path / "ticket")
    assert ticket is not None
    words = standby.arguments(
        ticket,
        str(tmp_path / "ticket"),
        str(tmp_path / "mark"),
        seconds=0.5,
        polls=1,
        conditions=[Elapsed("0")],
        command=["/gone/python", "x"],
    )
    with pytest.raises(Started):
        standby.main(words)
    os.close(ticket)
    assert tries == [["/gone/python", "x"]] * 3
    assert slept == [standby.RETRY_SECONDS] * 2
    assert capfd.readouterr().out == (
        "waiting in the queue: cannot start /gone/python: No such file or directory\n" * 2
    )


def test_a_hang_up_does_not_end_it(waiting: Callable[..., Waiting]) -> None:
    import signal

    started = waiting(Elapsed("0.5"))
    time.sleep(0.2)
    started.process.send_signal(signal.SIGHUP)
    assert started.process.wait(60) == 0
