"""What a waiting process does: look at the tickets, hold back, and become the trainer when it is its turn.

    its ticket is gone            somebody cancelled: leave
    .held                         nothing
    .after                        look at the other runs; a failed one: drop the ticket and leave
    .waiting, not the first       nothing
    .waiting, first for a slot    take the slot's lock, take the own ticket away, exec the trainer

First for a slot is who has no living ticket before it that would take the same slot. Two that think so at the
same moment are told apart by the slot's lock, and a cancellation and a start by who removes the ticket.
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
"""Exit statuses, as `wmse-tui run` has them: stopped on request, failed, somebody trains the run."""
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
        self._afterwards: Dependencies | None = None
        for descriptor in (ticket, mark):  # the trainer must not go on holding a place in the queue
            os.set_inheritable(descriptor, False)

    def wait(self) -> int:
        """Wait, and become the trainer; returns the exit status where nothing comes of it."""
        trouble = ""
        while True:
            place = 1
            try:
                every = tickets.entries()
                mine = next((entry for entry in every if entry.inode == self._inode), None)
                if mine is None or mine.ticket is None:
                    self._unmark()
                    return CANCELLED
                before = [entry for entry in every if entry.locked and _key(entry) < _key(mine)]
                place = len(before) + 1
                code = self._turn(mine, before)
                if code is not None:
                    return code
                trouble = ""
            except RunsError as error:  # a disk or a file server that comes back
                if str(error) != trouble:
                    trouble = str(error)
                    self._say(f"waiting in the queue: {trouble}")
            for _ in range(min(place, FARTHEST)):
                time.sleep(POLL_SECONDS)
                if not os.fstat(self._ticket).st_nlink:  # cancelled: no need to wait for the next whole look
                    break

    def _turn(self, mine: TicketEntry, before: list[TicketEntry]) -> int | None:
        ticket = mine.ticket
        assert ticket is not None
        if mine.state not in ("waiting", "after"):
            return None
        if ticket.after:
            self._afterwards = self._afterwards or Dependencies(ticket.after)
            ready, failed = self._afterwards.look()
            if failed:
                return self._drop(mine, failed)
            wanted: tickets.TicketState = "waiting" if ready else "after"
            if mine.state != wanted:
                tickets.renamed(mine, state=wanted)
                return None
            if not ready:
                return None
        if held(self._run.lock):  # somebody did not want to wait
            tickets.remove(mine)
            self._unmark()
            return BUSY
        for slot in ticket.slots:
            if any(_wants(entry, slot) for entry in before):
                continue
            descriptor = acquire_slot(slot, self._run)
            if descriptor is not None:
                self._become_trainer(mine, slot, descriptor)
                os.close(descriptor)  # it was cancelled, held or moved at this very moment
                return None
        return None

    def _become_trainer(self, mine: TicketEntry, slot: str, descriptor: int) -> None:
        """Start; returns only where somebody was quicker to change the ticket."""
        assert mine.ticket is not None
        if not tickets.remove(mine):
            return
        discard(self._run)
        write_launch(self._run)
        self._unmark()
        os.set_inheritable(descriptor, True)
        os.environ.update(environment(mine.ticket.wish, slot))
        command = trainer_command(self._run, self._python)
        try:
            os.execv(command[0], command)  # noqa: S606 (our own interpreter)
        except OSError as error:
            self._say(f"the trainer cannot be started: {command[0]}: {error.strerror}")
            sys.exit(DROPPED)

    def _drop(self, mine: TicketEntry, reason: str) -> int | None:
        """Leave the ticket, with the reason, to be seen and queued again."""
        if tickets.renamed(mine, state="dropped") is None:
            return None  # somebody held, moved or cancelled it: look again
        line = json.dumps({"reason": reason}).encode() + b"\n"
        with suppress(OSError):
            os.pwrite(self._ticket, line, os.fstat(self._ticket).st_size)
            os.utime(self._mark)  # a list looks again
        self._say(f"not started: {reason}")
        return DROPPED

    def _unmark(self) -> None:
        with suppress(OSError):
            self._run.queue_lock.unlink()

    def _say(self, text: str) -> None:
        with suppress(OSError):  # into trainer.log
            print(text, flush=True)  # noqa: T201


def _key(entry: TicketEntry) -> tuple[int, str]:
    return entry.order, entry.path.name[:29]


def _wants(entry: TicketEntry, slot: str) -> bool:
    """Whether a ticket would take this slot now."""
    ticket = entry.ticket
    return entry.state == "waiting" and ticket is not None and ticket.host == host() and slot in ticket.slots
