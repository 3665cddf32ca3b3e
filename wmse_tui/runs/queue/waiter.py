"""The waiting process: read the tickets, wait, and become the trainer when a slot is free.

    its ticket was removed        it was cancelled: exit
    .held                         wait
    .after                        poll the other runs; where one failed: drop the ticket and exit
    .waiting, not the first       wait
    .waiting, first for a slot    acquire the slot's lock, remove the ticket, exec the trainer

A run is first for a slot if no locked ticket before it wants the same slot. Between two that find themselves
first at the same moment the slot's lock decides; between a cancellation and a start, who removes the ticket.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.process.control import discard
from wmse_tui.runs.process.identity import host, write_launch
from wmse_tui.runs.process.launch import trainer_command
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.queue import tickets
from wmse_tui.runs.queue.dependencies import Dependencies
from wmse_tui.runs.queue.gpu_slots import acquire_slot, environment
from wmse_tui.runs.queue.tickets import TicketEntry

CANCELLED, DROPPED, BUSY = 4, 1, 73
"""Exit statuses, as those of `wmse-tui run`: stopped on request, failed, another process trains the run."""
POLL_SECONDS = 0.4
FARTHEST = 8
"""Runs further back poll less often: the longest interval, as a multiple of the first's."""


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
        self._inode = os.fstat(ticket).st_ino
        self._dependencies: Dependencies | None = None
        for descriptor in (ticket, mark):  # the trainer must not hold a position in the queue
            os.set_inheritable(descriptor, False)

    def wait(self) -> int:
        """Wait, and become the trainer; returns the exit status where no trainer is started."""
        problem = ""
        while True:
            position = 1
            try:
                every = tickets.entries()
                mine = next((entry for entry in every if entry.inode == self._inode), None)
                if mine is None or mine.ticket is None:
                    self._unmark()
                    return CANCELLED
                before = [entry for entry in every if entry.locked and _key(entry) < _key(mine)]
                position = len(before) + 1
                code = self._turn(mine, before)
                if code is not None:
                    return code
                problem = ""
            except RunsError as error:  # a disk or a file server that comes back
                if str(error) != problem:
                    problem = str(error)
                    self._print(f"waiting in the queue: {problem}")
            for _ in range(min(position, FARTHEST)):
                time.sleep(POLL_SECONDS)
                if not os.fstat(self._ticket).st_nlink:  # cancelled: no need to wait for the next poll
                    break

    def _turn(self, mine: TicketEntry, before: list[TicketEntry]) -> int | None:
        ticket = mine.ticket
        assert ticket is not None
        if mine.state not in ("waiting", "after"):
            return None
        if ticket.after:
            self._dependencies = self._dependencies or Dependencies(ticket.after)
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
        for slot in ticket.slots:
            if any(_wants(entry, slot) for entry in before):
                continue
            descriptor = acquire_slot(slot, self._run)
            if descriptor is not None:
                self._become_trainer(mine, slot, descriptor)
                os.close(descriptor)  # it was cancelled, held or moved meanwhile
                return None
        return None

    def _become_trainer(self, mine: TicketEntry, slot: str, descriptor: int) -> None:
        """Start; returns only where the ticket was changed first."""
        assert mine.ticket is not None
        if not tickets.remove_ticket(mine):
            return
        discard(self._run)
        write_launch(self._run)
        self._unmark()
        os.set_inheritable(descriptor, True)
        os.environ.update(environment(mine.ticket.request, slot))
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
            self._run.queue_lock.unlink()

    def _print(self, text: str) -> None:
        with suppress(OSError):  # into trainer.log
            print(text, flush=True)  # noqa: T201


def _key(entry: TicketEntry) -> tuple[int, str]:
    return entry.order, entry.path.name[:29]


def _wants(entry: TicketEntry, slot: str) -> bool:
    """Whether a ticket would get this slot now."""
    ticket = entry.ticket
    return entry.state == "waiting" and ticket is not None and ticket.host == host() and slot in ticket.slots
