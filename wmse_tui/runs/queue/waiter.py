"""The waiting process when something has changed: read the tickets, and wait on or become the trainer.

    its ticket was removed        it was cancelled: exit
    .held                         wait
    .after                        judge the other runs; where one failed: drop the ticket and exit
    .waiting, not the first       wait
    .waiting, first for enough    acquire the locks of the slots, remove the ticket, exec the trainer

To wait is to become `standby.py`, until the ticket is renamed, the last ticket before it that wants the same
slot is renamed, removed or not locked any more, as many slots as it needs are free, or one of the other runs
has ended. A run is first for a slot if no locked ticket before it wants the same slot. So a run that needs
several is overtaken by none that wants one of them: what becomes free stays free until it is enough. Between
two that find themselves first at the same moment the slots' locks decide; between a cancellation and a start,
who removes the ticket.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LaunchError, RunsError, StorageError
from wmse_tui.runs.process.control import discard
from wmse_tui.runs.process.deferred_signals import defer_stop_signals
from wmse_tui.runs.process.identity import write_launch
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.process.launch import trainer_command
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.queue import standby, tickets
from wmse_tui.runs.queue.gpu_slots import acquire_slots, environment, release_slots, slot_lock
from wmse_tui.runs.queue.standby import CANCELLED, Condition, Enough, Free, Held
from wmse_tui.runs.queue.tickets import TicketEntry
from wmse_tui.runs.run_folder import remove_file
from wmse_tui.runs.text.sanitize import safe

if TYPE_CHECKING:
    from wmse_tui.runs.queue.dependencies import Dependencies

DROPPED, BUSY = 1, 73
"""Exit statuses, as those of `wmse-tui run`: failed, another process trains the run; see also CANCELLED."""
POLL_SECONDS = 0.4
FIRST_SECONDS = 0.05
"""From one check of a slot to the next by a run that gets it when it is free."""
FARTHEST = 8
"""Runs further back check less often what is before them: the longest interval, in POLL_SECONDS."""
SLOWEST = 2
"""The same for the check of the run's own ticket: a cancellation waits for it."""


class Waiter:
    """One waiting run.

    Args:
        run: the run.
        ticket: the descriptor that holds its ticket.
        mark: the descriptor that holds `queue.lock`.
        python: the trainer's interpreter.
    """

    def __init__(self, run: RunDirectory, ticket: int, mark: int, python: str) -> None:
        self._run = run
        self._ticket = ticket
        self._mark = mark
        self._python = python
        self._dependencies: Dependencies | None = None
        for descriptor in (ticket, mark):  # the trainer must not hold a position in the queue
            os.set_inheritable(descriptor, False)

    def wait(self) -> int:
        """Wait, and become the trainer; returns the exit status where no trainer is started."""
        problem = ""
        while True:
            try:
                mine, before = _ticket_and_before(self._ticket)
                if mine is None or mine.ticket is None:
                    self._unmark()
                    return CANCELLED
                code = self._turn(mine, before)
                if code is not None:
                    return code
                self._stand_by(mine, before)
                problem = ""
            except RunsError as error:  # a disk or a file server that comes back
                if str(error) != problem:
                    problem = str(error)
                    self._print(f"waiting in the queue: {problem}")
            time.sleep(POLL_SECONDS)

    def _stand_by(self, mine: TicketEntry, before: list[TicketEntry]) -> None:
        """Become the small program that waits for a change; returns where it would not have to wait.

        That is so after the ticket was renamed, and at the head of the queue while other programs use the
        GPU, which only NVML shows.
        """
        try:
            command = standby_command(
                self._run, mine, before, (self._ticket, self._mark), self._python, self._dependencies
            )
        except OSError as error:
            raise StorageError.of("wait in the queue", mine.path, error) from error
        if command is None or not mine.path.exists():
            return
        for descriptor in (self._ticket, self._mark):
            os.set_inheritable(descriptor, True)
        try:
            os.execv(command[0], command)  # noqa: S606 (our own interpreter)
        except OSError as error:
            raise LaunchError(
                "the waiting process cannot become small", f"{command[0]}: {error.strerror}"
            ) from error

    def _turn(self, mine: TicketEntry, before: list[TicketEntry]) -> int | None:
        ticket = mine.ticket
        assert ticket is not None
        if mine.state not in ("waiting", "after"):
            return None
        if ticket.after:
            if self._dependencies is None:
                from wmse_tui.runs.queue.dependencies import Dependencies  # what reads logs takes a while

                self._dependencies = Dependencies(ticket.after)
            ready, failed = self._dependencies.poll()
            if failed:
                return self._drop(mine, failed)
            wanted: tickets.TicketState = "waiting" if ready else "after"
            if mine.state != wanted:
                tickets.renamed(mine, state=wanted)
                return None
            if not ready:
                return None
        if held(self._run.lock):  # it was started past the queue
            tickets.remove_ticket(mine)
            self._unmark()
            return BUSY
        first_for = [slot for slot in ticket.slots if not any(entry.wants(slot) for entry in before)]
        acquired = acquire_slots(first_for, ticket.count, self._run)
        if acquired:
            self._become_trainer(mine, acquired)
            release_slots(acquired)  # it was cancelled, held or moved meanwhile
        return None

    def _become_trainer(self, mine: TicketEntry, acquired: dict[str, int]) -> None:
        """Start; returns only where the ticket was changed first."""
        assert mine.ticket is not None
        if not tickets.remove_ticket(mine):
            return
        defer_stop_signals()  # from here on they are the trainer's, which records them
        discard(self._run)
        write_launch(self._run)
        self._unmark()
        for descriptor in acquired.values():
            os.set_inheritable(descriptor, True)
        os.environ.update(environment(mine.ticket.request, acquired))
        command = trainer_command(self._run, self._python)
        try:
            os.execv(command[0], command)  # noqa: S606 (our own interpreter)
        except OSError as error:
            self._print(f"the trainer cannot be started: {command[0]}: {error.strerror}")
            sys.exit(DROPPED)

    def _drop(self, mine: TicketEntry, reason: str) -> int | None:
        """Mark the ticket as dropped, with the reason, so that the run can be queued again."""
        if tickets.renamed(mine, state="dropped") is None:
            return None  # it was held, moved or cancelled: read again
        line = json.dumps({"reason": reason}).encode() + b"\n"
        with suppress(OSError):
            os.pwrite(self._ticket, line, os.fstat(self._ticket).st_size)
            os.utime(self._mark)  # a list of runs reads the run again
        self._print(f"not started: {reason}")
        return DROPPED

    def _unmark(self) -> None:
        with suppress(OSError):
            remove_file(self._run.queue_lock)

    def _print(self, text: str) -> None:
        with suppress(OSError):  # into trainer.log
            print(safe(text), flush=True)  # noqa: T201


def first_command(run: RunDirectory, ticket: int, mark: int, python: str | Path) -> list[str]:
    """The command line of the process that begins to wait: it judges only what needs it.

    Args:
        run: the run.
        ticket, mark: the descriptors that hold its ticket and its `queue.lock`.
        python: the trainer's interpreter.

    Raises:
        StorageError, LocksUnsupported: the queue cannot be read.
    """
    mine, before = _ticket_and_before(ticket)
    command = None
    if mine is not None and mine.state == "waiting":
        with suppress(OSError):
            command = standby_command(run, mine, before, (ticket, mark), python)
    return command or waiter_command(run, ticket, mark, python)


def waiter_command(run: RunDirectory, ticket: int, mark: int, python: str | Path) -> list[str]:
    """The command line of a waiting process that judges whether it is its turn.

    Args:
        run: the run.
        ticket, mark: the descriptors that hold its ticket and its `queue.lock`.
        python: the trainer's interpreter.
    """
    words = (str(run.path), str(ticket), str(mark), str(python))
    return interpreter_command("wmse_tui.runs.queue", *words, options=("-u",))


def standby_command(
    run: RunDirectory,
    mine: TicketEntry,
    before: list[TicketEntry],
    descriptors: tuple[int, int],
    python: str | Path,
    dependencies: Dependencies | None = None,
) -> list[str] | None:
    """The command line of a waiting process until something changes; None where it has changed already.

    Args:
        run: the run.
        mine: its ticket.
        before: the locked tickets before it.
        descriptors: those that hold its ticket and its `queue.lock`.
        python: the trainer's interpreter.
        dependencies: the runs that it comes after, judged just now.

    Raises:
        OSError: a lock cannot be tested.
    """
    conditions, first = _conditions(run, mine, before, dependencies)
    if any(condition.met() for condition in conditions):
        return None
    ticket, mark = descriptors
    position = len(before) + 1
    slower = min(position, SLOWEST)
    words = standby.arguments(
        ticket,
        str(mine.path),
        str(run.queue_lock),
        seconds=FIRST_SECONDS if first else slower * POLL_SECONDS,
        polls=1 if first else min(position, FARTHEST) // slower,
        conditions=conditions,
        command=waiter_command(run, ticket, mark, python),
    )
    return interpreter_command(standby.__name__, *words, options=("-I", "-S"))


def _conditions(
    run: RunDirectory, mine: TicketEntry, before: list[TicketEntry], dependencies: Dependencies | None
) -> tuple[list[Condition], bool]:
    """What may give the run its turn, beside a change of its ticket; whether it is first for enough slots."""
    if mine.state == "after" and dependencies is not None:
        return dependencies.conditions(), False
    if mine.state != "waiting" or mine.ticket is None:
        return [], False
    last_before: list[str] = []
    locks: list[str] = []
    for slot in mine.ticket.slots:
        wanted_by = [entry for entry in before if entry.wants(slot)]
        if wanted_by:  # the last of them: it stays the longest
            last_before.append(str(wanted_by[-1].path))
        else:
            locks += [str(slot_lock(slot)), str(slot_lock(slot, "direct"))]
    conditions: list[Condition] = [Held(str(run.lock)), *map(Free, dict.fromkeys(last_before))]
    first = len(locks) // 2 >= mine.ticket.count
    if first:
        conditions.append(Enough(str(mine.ticket.count), *locks))
    return conditions, first


def _ticket_and_before(descriptor: int) -> tuple[TicketEntry | None, list[TicketEntry]]:
    """The entry of an open ticket, None where it was removed, and the locked ones before it."""
    every, inode = tickets.entries(), os.fstat(descriptor).st_ino
    mine = next((entry for entry in every if entry.inode == inode), None)
    if mine is None:
        return None, []
    return mine, [entry for entry in every if entry.locked and _key(entry) < _key(mine)]


def _key(entry: TicketEntry) -> tuple[int, str]:
    return entry.order, entry.path.name[:29]
