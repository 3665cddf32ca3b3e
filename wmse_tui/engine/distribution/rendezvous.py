"""How ranks that a launcher started find rank 0: by a file in the run's directory, which all of them see."""

from __future__ import annotations

import json
import socket
import time

from wmse_tui.engine.distribution.roster import Roster
from wmse_tui.engine.errors import RankLost
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.run_folder import publish_file, read_file

WAIT_SECONDS = 300.0
POLL_SECONDS = 0.2
CONNECT_SECONDS = 2.0


def publish_address(run: RunDirectory, roster: Roster) -> None:
    """Write where rank 0 is.

    Raises:
        OSError: the file cannot be written.
    """
    address = {"host": roster.store.host, "port": roster.store.port, "world": roster.world}
    publish_file(run.rendezvous, json.dumps(address).encode())


def find_rank_0(run: RunDirectory, rank: int, world: int) -> Roster:
    """Wait for rank 0, and take the part of `rank`.

    The file may be that of an earlier attempt: then no process answers there, or one that has this rank.

    Raises:
        RankLost: rank 0 was not found in time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            address = json.loads(read_file(run.rendezvous))
            where = str(address["host"]), int(address["port"])
            socket.create_connection(where, timeout=CONNECT_SECONDS).close()  # the store would try for long
            roster = Roster.connect(*where, rank, int(address["world"]))
            if roster.world == world and roster.claim():
                return roster
        except (OSError, ValueError, KeyError, TypeError, RuntimeError):  # of torch: nothing answers
            pass
        time.sleep(POLL_SECONDS)
    raise RankLost(
        f"rank 0 was not found in {WAIT_SECONDS:.0f} s",
        f"{run.rendezvous} names no trainer of {world} ranks that waits for rank {rank}",
        next=("start all ranks on one run directory", "see trainer.log, or the output of rank 0"),
    )
