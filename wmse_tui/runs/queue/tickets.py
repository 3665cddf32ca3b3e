"""The tickets: one locked file for each waiting run, whose name is its order and its state.

    <order, 20 digits>-<8 hex digits>.waiting   in the line for a slot
                                     .after     waits for other runs to complete first
                                     .held      waits until it is released
                                     .dropped   will not start: a run that it came after failed; not locked

What may change is in the name, and a name changes in one step: holding, releasing and going first are a
rename, cancelling is a removal, and the waiting process finds its own ticket by its inode. What is written
in a ticket never changes, but that a dropped one gets a second line with the reason.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from wmse_tui.config.locations import queue_dir
from wmse_tui.config.regular_files import open_descriptor
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.process.lock import acquire_lock, held_open
from wmse_tui.runs.queue.gpu_slots import DeviceRequest, make_folders, share_like
from wmse_tui.runs.text.sanitize import safe

TicketState: TypeAlias = Literal["waiting", "after", "held", "dropped"]

_NAME = re.compile(rf"(\d{{20}})-[0-9a-f]{{8}}\.({'|'.join(get_args(TicketState))})")
_LARGEST = 64 * 1024  # bytes of a ticket; a larger file is none
_NO_TICKET = "not a ticket: a JSON object with run, host, time, and as many slots as it needs was expected"
_MOVED = 5  # times that a ticket may change its name while the folder is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The content of a ticket."""

    run: str  # the run's directory, absolute
    host: str  # the machine whose slots it waits for
    time: float  # unix seconds of when it was queued
    slots: tuple[str, ...]  # any of these will do
    visible: tuple[str, ...] = ()  # see DeviceRequest
    pinned: bool = False
    count: int = 1  # how many of the slots it needs
    after: tuple[str, ...] = ()  # directories of runs that must complete first

    @property
    def request(self) -> DeviceRequest:
        return DeviceRequest(self.slots, self.visible, self.pinned, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketEntry:
    """A ticket as it is in the folder now."""

    path: Path
    inode: int
    order: int
    state: TicketState
    locked: bool  # a waiting process holds its lock
    ticket: Ticket | None  # None: it cannot be read, see `problem`
    own: bool = True  # this user has written it: in a shared folder others may name any run in theirs
    reason: str = ""  # why it was dropped
    problem: str = ""

    @property
    def run(self) -> RunDirectory | None:
        return None if self.ticket is None else RunDirectory(Path(self.ticket.run))

    def wants(self, slot: str) -> bool:
        """Whether it would get this slot of this machine, if its process still waits."""
        ticket = self.ticket
        return (
            self.state == "waiting" and ticket is not None and ticket.host == host() and slot in ticket.slots
        )

    @property
    def lost(self) -> bool:
        """Whether the waiting process has ended without its ticket: a reboot, a kill."""
        return not self.locked and self.state != "dropped"


def entries() -> tuple[TicketEntry, ...]:
    """All tickets, in their order; those of other machines that share the folder among them.

    Raises:
        StorageError: the folder is there and cannot be read.
        LocksUnsupported: its filesystem has no locks to test.
    """
    folder = queue_dir()
    for _ in range(_MOVED):
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 (names only)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageError.of("read the queue", folder, error) from error
        private_owner = _private_owner(folder)
        found: dict[int, TicketEntry] = {}
        moved = False
        for name in names:
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            try:
                entry = _read(folder / name, int(match[1]), match[2], private_owner)  # type: ignore[arg-type]
            except FileNotFoundError:
                moved = True  # renamed or removed just now: read the whole folder again
                continue
            if entry is not None:
                found[entry.inode] = entry
        if not moved:
            break
    return tuple(sorted(found.values(), key=lambda entry: (entry.order, entry.path.name)))


def of_run(
    run: RunDirectory, every: tuple[TicketEntry, ...] | None = None, *, own: bool = False
) -> TicketEntry | None:
    """The ticket of `run`: one that is held before one that was lost or dropped; None where there is none.

    Args:
        run: the run.
        every: all tickets, where they have been read.
        own: only what this user has written counts: the ticket is to be changed.
    """
    mine = [
        entry
        for entry in (entries() if every is None else every)
        if entry.ticket and entry.ticket.run == str(run.path) and (entry.own or not own)
    ]
    return next((entry for entry in mine if entry.locked), mine[-1] if mine else None)


def write_ticket(
    run: RunDirectory, wanted: DeviceRequest, *, after: tuple[RunDirectory, ...] = ()
) -> tuple[Path, int]:
    """A ticket behind all others, and the descriptor that holds it: it is held before it can be seen.

    Raises:
        StorageError, LocksUnsupported.
    """
    if not _is_text(run.path):
        raise StorageError(
            "a run in a folder whose name is not UTF-8 cannot be queued",
            safe(str(run.path), 200),
            next=("rename that folder", "or start the run without the queue"),
        )
    folder = make_folders()
    order = max([time.time_ns(), *(entry.order + 1 for entry in entries())])
    state: TicketState = "after" if after else "waiting"
    path = folder / f"{order:020d}-{secrets.token_hex(4)}.{state}"
    ticket = Ticket(
        run=str(run.path),
        host=host(),
        time=time.time(),
        slots=wanted.slots,
        count=wanted.count,
        visible=wanted.visible,
        pinned=wanted.pinned,
        after=tuple(str(other.path) for other in after),
    )
    aside = folder / f".{path.name}.tmp"
    descriptor = acquire_lock(aside)
    assert descriptor is not None, "the name is new and random"
    try:
        os.write(descriptor, json.dumps(asdict(ticket)).encode() + b"\n")
        os.fsync(descriptor)
        share_like(aside, folder, read_only=True)  # their order counts for all who share the queue
        aside.rename(path)
    except OSError as error:
        os.close(descriptor)
        with suppress(OSError):
            aside.unlink()
        raise StorageError.of("write a ticket for the queue", path, error) from error
    return path, descriptor


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:  # bytes of a file name that are no UTF-8
        return False
    return True


def renamed(
    entry: TicketEntry, *, state: TicketState | None = None, order: int | None = None
) -> TicketEntry | None:
    """The entry under its new name; None where the old name no longer exists: it was moved or removed.

    Raises:
        StorageError: the folder cannot be written.
    """
    number = entry.order if order is None else order
    token = entry.path.name[21:29]
    path = entry.path.with_name(f"{number:020d}-{token}.{state or entry.state}")
    try:
        entry.path.rename(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError.of("change a ticket of the queue", entry.path, error) from error
    return replace(entry, path=path, order=number, state=state or entry.state)


def remove_ticket(entry: TicketEntry) -> bool:
    """Remove a ticket; False where it was removed already. Raises StorageError."""
    try:
        entry.path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError.of("remove a ticket of the queue", entry.path, error) from error
    return True


def _private_owner(folder: Path) -> int:
    """The owner of a folder that no other user may write, -1 of a shared one.

    Everything in it is of this user, also where the file system reports another owner for it.
    """
    try:
        about = folder.stat()
    except OSError:
        return -1
    return -1 if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else about.st_uid


def _read(path: Path, order: int, state: TicketState, private_owner: int) -> TicketEntry | None:
    """The entry; None for anything but a plain file. Raises FileNotFoundError, LocksUnsupported."""
    try:
        descriptor = open_descriptor(path, follow=False)
    except FileNotFoundError:
        raise
    except OSError:
        return None  # a link, or another user's
    try:
        status = os.fstat(descriptor)
        locked = held_open(descriptor, path)
        text = os.pread(descriptor, _LARGEST + 1, 0)
    except OSError as error:
        raise StorageError.of("read a ticket of the queue", path, error) from error
    finally:
        os.close(descriptor)
    ticket, reason, problem = _parsed(text)
    return TicketEntry(
        path=path,
        inode=status.st_ino,
        order=order,
        state=state,
        locked=locked,
        own=status.st_uid in (os.geteuid(), private_owner),
        ticket=ticket,
        reason=reason,
        problem=problem,
    )


def _parsed(text: bytes) -> tuple[Ticket | None, str, str]:
    """The ticket, why it was dropped, and why it cannot be read."""
    if len(text) > _LARGEST:
        return None, "", f"larger than {_LARGEST} bytes"
    first, _, second = text.partition(b"\n")
    try:
        ticket = _decoded(first)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None, "", _NO_TICKET
    try:
        reason = str(json.loads(second)["reason"]) if second.strip() else ""
    except (ValueError, TypeError, KeyError, RecursionError):
        reason = ""
    return ticket, reason, ""


def _decoded(line: bytes) -> Ticket:
    """The ticket; by hand, because a waiting process starts in half the time without pydantic.

    Raises:
        ValueError, TypeError, KeyError, OverflowError, RecursionError: it is none.
    """
    values = json.loads(line)
    time, pinned, count = values["time"], values.get("pinned", False), values.get("count", 1)
    lists = [values["slots"], values.get("visible", []), values.get("after", [])]
    texts = [values["run"], values["host"], *(text for texts in lists for text in texts)]
    if not all(isinstance(texts, list) for texts in lists) or not all(isinstance(t, str) for t in texts):
        raise TypeError(_NO_TICKET)
    if type(time) not in (int, float) or not math.isfinite(time) or not isinstance(pinned, bool):
        raise TypeError(_NO_TICKET)
    if type(count) is not int:
        raise TypeError(_NO_TICKET)
    slots, visible, after = map(tuple, lists)
    if not Path(values["run"]).is_absolute() or not 1 <= count <= len(slots):
        raise ValueError(_NO_TICKET)
    return Ticket(
        run=values["run"],
        host=values["host"],
        time=time,
        slots=slots,
        count=count,
        visible=visible,
        pinned=pinned,
        after=after,
    )
