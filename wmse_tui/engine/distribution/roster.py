"""What the ranks of a run know of each other, in a store of rank 0: members, heartbeats, loads, failures."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from datetime import timedelta

import torch
from torch._C._distributed_c10d import TCPStore  # public as torch.distributed.TCPStore

from wmse_tui.engine.distribution.interfaces import listening_address
from wmse_tui.engine.errors import RankLost
from wmse_tui.runs.log.events import RankLoad
from wmse_tui.runs.process.identity import Process, host, identify
from wmse_tui.runs.text.sanitize import safe

LOOPBACK = "127.0.0.1"
RESUME = "resume the run: the other ranks have ended too"
CONNECT_TIMEOUT = timedelta(seconds=5)
"""torch tries for five minutes, in which no signal is obeyed."""
KEY_TIMEOUT = timedelta(minutes=5)
"""torch's own: how long a rank that forms the group waits for what another one stores."""


@dataclass(frozen=True, slots=True)
class Member:
    """The process and device of a rank.

    Args:
        process: its process.
        device: as torch names it there.
        card: what identifies its GPU on its machine; "" where it has none.
    """

    process: Process
    device: str
    card: str = ""

    def text(self) -> str:
        return f"process {self.process.pid} ({safe(self.device)}, {safe(self.process.host, 64)})"


@dataclass(frozen=True, slots=True)
class RankFailure:
    """Why a rank has ended by itself; the fields are those of the `error` event."""

    code: str
    title: str
    detail: str
    next: tuple[str, ...]
    files: tuple[str, ...]


class Roster:
    """One rank's connection to the store.

    Args:
        store: that of rank 0.
        rank, world: which of how many.
    """

    def __init__(self, store: TCPStore, rank: int, world: int) -> None:
        self.store = store
        self.rank = rank
        self.world = world

    @classmethod
    def serve(cls, world: int, *, one_machine: bool = True) -> Roster:
        """The store. It has no authentication: only processes of this machine reach it, if all ranks do.

        Of several machines those do that reach the interface which the user has chosen, else any interface.

        Raises:
            RankLost: this process does not reach it itself.
        """
        address = LOOPBACK if one_machine else listening_address(os.environ)
        listening = _listening(address, backlog=2 * world)
        store = TCPStore(
            address or LOOPBACK,
            listening.getsockname()[1],
            world,
            is_master=True,
            wait_for_workers=False,
            master_listen_fd=listening.detach(),
            timeout=CONNECT_TIMEOUT,
        )
        store.set("token", secrets.token_hex(8))
        return cls(store, 0, world)

    @classmethod
    def connect(cls, address: str, port: int, rank: int, world: int) -> Roster:
        """Raises RuntimeError: nothing answers there."""
        store = TCPStore(
            address, port, world, is_master=False, wait_for_workers=False, timeout=CONNECT_TIMEOUT
        )
        return cls(store, rank, world)

    @property
    def token(self) -> str:
        """What distinguishes this store from that of another attempt."""
        return self._read("token") or ""

    def claim(self, reached: str) -> str:
        """Be this rank: "", or the process that is it already; no other one may from now on.

        Args:
            reached: the address of rank 0 by which this process reaches it.
        """
        own = f"process {os.getpid()} on {host()}"
        by = self.store.compare_set(f"claimed/{self.rank}", "", own).decode()
        if by != own:
            return by
        self.store.set(f"reached/{self.rank}", reached)
        return ""

    def arrived(self, rank: int) -> str:
        """The process that is `rank`; "" where none has come."""
        return self._read(f"claimed/{rank}") or ""

    def reached(self, rank: int) -> str:
        """The address of rank 0 by which `rank` has reached it; "" where it has not come."""
        return self._read(f"reached/{rank}") or ""

    def leave(self) -> None:
        """Record that this rank ends because rank 0 has announced it."""
        self.store.set(f"left/{self.rank}", "1")

    def has_left(self, rank: int) -> bool:
        """Whether `rank` has ended in order."""
        return self._read(f"left/{rank}") is not None

    def another_connection(self) -> TCPStore:
        """The same store, for a thread of its own: a connection serves one call at a time."""
        store = TCPStore(
            self.store.host,
            self.store.port,
            self.world,
            is_master=False,
            wait_for_workers=False,
            timeout=CONNECT_TIMEOUT,
        )
        store.set_timeout(KEY_TIMEOUT)
        return store

    def join(self, device: torch.device) -> None:
        """Record which process this rank is, and on which device."""
        process = identify()
        assert process is not None
        self.store.set(
            f"member/{self.rank}", json.dumps(asdict(Member(process, str(device), card_of(device))))
        )

    def be_ready(self) -> None:
        """Record that this rank is about to form the process group."""
        self.store.set(f"ready/{self.rank}", "1")

    def is_ready(self, rank: int) -> bool:
        """Whether `rank` is about to form the process group."""
        return self._read(f"ready/{rank}") is not None

    def member(self, rank: int) -> Member | None:
        """None: it has not joined yet."""
        text = self._read(f"member/{rank}")
        if text is None:
            return None
        fields = json.loads(text)
        return Member(Process(**fields["process"]), fields["device"], fields["card"])

    def report_failure(self, failure: RankFailure) -> None:
        """Record why this rank ends."""
        self.store.set(f"failure/{self.rank}", json.dumps(asdict(failure)))

    def failure(self, rank: int) -> RankFailure | None:
        """Why a rank has ended by itself; None: it did not, or had no time to record it."""
        text = self._read(f"failure/{rank}")
        if text is None:
            return None
        fields = json.loads(text)
        return RankFailure(**{**fields, "next": tuple(fields["next"]), "files": tuple(fields["files"])})

    def report_load(self, load: RankLoad) -> None:
        """Record what this rank uses of its machine."""
        self.store.set(f"load/{self.rank}", json.dumps(asdict(load)))

    def load(self, rank: int) -> RankLoad | None:
        """What a rank uses, as it reported last; None before it has."""
        text = self._read(f"load/{rank}")
        return None if text is None else RankLoad(**json.loads(text))

    def _read(self, key: str) -> str | None:
        return self.store.get(key).decode() if self.store.check([key]) else None


def card_of(device: torch.device) -> str:
    """What identifies a GPU on its machine, whatever number it has for a process; "" for another device."""
    if device.type != "cuda":
        return ""
    return str(getattr(torch.cuda.get_device_properties(device), "uuid", ""))  # ROCm may have none


def _listening(address: str, *, backlog: int) -> socket.socket:
    """A socket that listens at an address of this machine ("": all), by which this process reaches itself.

    Raises:
        RankLost: it does not; torch would try for minutes.
    """
    listening: socket.socket | None = None
    try:
        listening = socket.create_server((address, 0), backlog=backlog)
        reached = (address or LOOPBACK, listening.getsockname()[1])
        socket.create_connection(reached, timeout=CONNECT_TIMEOUT.total_seconds()).close()
    except OSError as error:
        if listening is not None:
            listening.close()
        raise RankLost(
            f"the ranks of this machine do not reach each other at {address or LOOPBACK}",
            f"{error.strerror or error} ({host()})",
            next=(
                "activate the interface (`ip link set lo up`), or give the container a network",
                "or use one device: --set compute.devices=1",
                "`wmse-tui doctor` checks it",
            ),
        ) from error
    return listening
