"""How ranks that a launcher started find rank 0: by a file in the run's directory, which all of them see."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass

from wmse_tui.engine.distribution.attempt_of_rank_0 import AttemptOfRank0
from wmse_tui.engine.distribution.interfaces import is_loopback, published_addresses, use_interface_of
from wmse_tui.engine.distribution.roster import LOOPBACK, Roster
from wmse_tui.engine.errors import RankLost
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.queue.standby import state_of
from wmse_tui.runs.run_folder import publish_file, read_file
from wmse_tui.runs.text.sanitize import safe

WAIT_SECONDS = 300.0
"""Until a rank that has not arrived is given up. What rank 0 does before, as reading its images, is not
counted: its log grows meanwhile."""
POLL_SECONDS = 0.2
CONNECT_SECONDS = 2.0


def publish_address(run: RunDirectory, roster: Roster, *, one_machine: bool) -> None:
    """Write where rank 0 is.

    Raises:
        OSError: the file cannot be written.
    """
    addresses = [LOOPBACK] if one_machine else published_addresses(os.environ)
    address = {
        "host": addresses[0],
        "addresses": addresses,
        "port": roster.store.port,
        "world": roster.world,
        "token": roster.token,
    }
    publish_file(run.rendezvous, json.dumps(address).encode())


@dataclass(frozen=True, slots=True)
class _Address:
    """The content of the file."""

    addresses: tuple[str, ...]
    port: int
    world: int
    token: str


class _Refused(OSError):
    """Rank 0 of another launch answers: it has no place for this rank."""


def find_rank_0(attempt: AttemptOfRank0, rank: int, world: int) -> Roster:
    """Wait for rank 0, and take the part of `rank`.

    The file may be that of an earlier attempt: then no process answers there, or another one.

    Args:
        attempt: of rank 0.
        rank, world: which of how many ranks this one is.

    Raises:
        RankLost: rank 0 has ended, or was not found in time.
    """
    run = attempt.run
    log, deadline, problem, refused = "", 0.0, "", False
    while True:
        attempt.require_not_ended(rank, world)
        grown = state_of(str(run.events))
        if grown != log and not refused:  # rank 0 reads its images
            log, deadline = grown, time.monotonic() + WAIT_SECONDS
        refused = False
        try:
            return _joined(_read(run), rank, world)
        except (OSError, RuntimeError) as error:  # of torch: nothing answers
            problem, refused = str(error).partition("\n")[0], isinstance(error, _Refused)
        except (ValueError, KeyError, TypeError, OverflowError):
            problem = f"{run.rendezvous} is damaged"
        if time.monotonic() >= deadline:
            break
        time.sleep(POLL_SECONDS)
    raise RankLost(
        f"rank {rank} of {world} did not find rank 0 in {WAIT_SECONDS:.0f} s",
        safe(problem, 300),
        next=(
            "start all ranks on one run directory, on a file system that their machines share",
            "let the machines reach each other: firewalls, MASTER_ADDR, GLOO_SOCKET_IFNAME",
            "see trainer.log, or the output of rank 0",
        ),
    )


def _read(run: RunDirectory) -> _Address:
    fields = json.loads(read_file(run.rendezvous))
    addresses = fields["addresses"] if "addresses" in fields else [fields["host"]]
    return _Address(
        tuple(map(str, addresses)), int(fields["port"]), int(fields["world"]), str(fields.get("token", ""))
    )


def _joined(there: _Address, rank: int, world: int) -> Roster:
    """The roster of rank 0. Raises OSError, RuntimeError: it is not there, or not for this rank."""
    own, peer = _reached(there)
    roster = Roster.connect(peer, there.port, rank, there.world)
    if roster.token != there.token:
        raise OSError(f"another process listens on {peer} port {there.port}")
    if there.world != world:
        raise _Refused(f"rank 0 trains with {there.world} ranks")
    claimed = roster.claim(peer)
    if claimed:
        raise _Refused(f"another process has joined as rank {rank}: {claimed}")
    use_interface_of(own)
    return roster


def _reached(there: _Address) -> tuple[str, str]:
    """The addresses of both ends of a connection to rank 0: the first that is not of loopback, if any is."""
    over_loopback: tuple[str, str] | None = None
    problems = []
    for address in there.addresses:
        try:
            with socket.create_connection((address, there.port), timeout=CONNECT_SECONDS) as connection:
                own, peer = (str(end[0]) for end in (connection.getsockname(), connection.getpeername()))
        except OSError as error:
            problems.append(f"{address} port {there.port}: {error.strerror or error}")
            continue
        if not is_loopback(peer):
            return own, peer
        over_loopback = over_loopback or (own, peer)
    if over_loopback is None:
        raise OSError("; ".join(problems))
    return over_loopback
