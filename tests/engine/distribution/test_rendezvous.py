"""How ranks that a launcher started find each other: addresses, earlier attempts, ranks that do not come."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from wmse_tui.engine.distribution import interfaces, other_ranks, rendezvous
from wmse_tui.engine.distribution.other_ranks import LaunchedRank, OtherRanks
from wmse_tui.engine.distribution.rendezvous import find_rank_0
from wmse_tui.engine.distribution.roster import Roster
from wmse_tui.engine.errors import RankLost
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.process.rank_launcher import Launched

HERE = f"process {os.getpid()} on {host()}"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rank is waited for, and what a test sets in the environment ends with it."""
    monkeypatch.setattr(rendezvous, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(other_ranks, "WAIT_SECONDS", 0.0)
    for name in (interfaces.INTERFACE, interfaces.ADDRESS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path / "runs", "extends: quickstart\n", name="mine")


@contextmanager
def rank_0(run: RunDirectory, world: int) -> Iterator[OtherRanks]:
    """Rank 0 of a launcher whose ranks may be on several machines."""
    launched = Launched("srun", 0, world, 0, one_machine=False)
    others = OtherRanks(run, [torch.device("cpu")] * world, launched=launched, abandon=lambda _: None)
    try:
        yield others
    finally:
        others.end(None)


def change(run: RunDirectory, **fields: object) -> None:
    run.rendezvous.write_text(json.dumps(json.loads(run.rendezvous.read_text()) | fields))


def test_ranks_that_do_not_come_are_named(run: RunDirectory) -> None:
    with rank_0(run, 4) as others:
        find_rank_0(run, 2, 4)
        with pytest.raises(RankLost, match="ranks 1, 3 of 4 did not arrive in 0 s") as caught:
            others.form(lambda: None)
    assert caught.value.detail.endswith(f"arrived: rank 2 ({HERE})")
    assert caught.value.detail.startswith(f"rank 0 waited on {host()}, port ")
    assert caught.value.next[1].endswith("firewalls, MASTER_ADDR, GLOO_SOCKET_IFNAME")


def test_a_rank_reports_why_it_has_not_found_rank_0(run: RunDirectory) -> None:

    def problem(rank: int = 1, world: int = 2) -> str:
        with pytest.raises(RankLost, match=f"rank {rank} of {world} did not find rank 0 in 0 s") as caught:
            find_rank_0(run, rank, world)
        return caught.value.detail

    assert "rendezvous.json" in problem(), "there is no file yet"
    for damaged in (
        "{",
        "[]",
        '{"host": 1}',
        '{"host": "x", "port": [], "world": 2}',
    ):
        run.rendezvous.write_text(damaged)
        assert problem() == f"{run.rendezvous} is damaged"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    run.rendezvous.write_text(json.dumps({"host": "127.0.0.1", "port": port, "world": 2}))
    assert problem() == f"127.0.0.1 port {port}: Connection refused", "an earlier attempt"
    with rank_0(run, 2):
        assert problem(1, 3) == "rank 0 trains with 2 ranks"
        joined = find_rank_0(run, 1, 2)
        assert joined.claim("again") == "", "the process that is this rank"
        joined.store.set("claimed/1", "process 1 on node9")
        assert problem() == "another process has joined as rank 1: process 1 on node9"
        other = Roster.serve(2)
        change(run, addresses=["127.0.0.1"], port=other.store.port)
        assert problem() == f"another process listens on 127.0.0.1 port {other.store.port}"


def test_rank_0_is_waited_for_as_long_as_its_log_grows(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads its images first, and then publishes its address."""
    monkeypatch.setattr(rendezvous, "WAIT_SECONDS", 10.0)
    polls: list[float] = []
    now = [0.0]

    def sleep(_: float) -> None:
        polls.append(now[0])
        now[0] += 9.0
        if len(polls) < 4:
            run.events.write_text("x" * len(polls))

    monkeypatch.setattr(rendezvous, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    with pytest.raises(RankLost):
        find_rank_0(run, 1, 2)
    assert polls == [0.0, 9.0, 18.0, 27.0, 36.0]


def addresses_of(**names: str) -> dict[str, list[SimpleNamespace]]:
    return {name: [SimpleNamespace(family=socket.AF_INET, address=own)] for name, own in names.items()}


def test_addresses_are_published_with_the_likeliest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"docker0": "172.17.0.1", "ib0": "10.1.0.1", "eth0": "10.0.0.1", "eth1": "10.2.0.9"}
    found = addresses_of(lo="127.0.0.1", **own)
    up = {name: SimpleNamespace(isup=name != "eth1") for name in found}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: up)
    monkeypatch.setattr(interfaces, "_of_default_route", lambda: "10.0.0.1")
    usual = [host(), "10.0.0.1", "10.1.0.1", "172.17.0.1"]
    assert interfaces.published_addresses({}) == usual
    assert interfaces.published_addresses({"MASTER_ADDR": "login1"}) == ["login1", *usual]
    assert interfaces.published_addresses({"GLOO_SOCKET_IFNAME": "ib0", "MASTER_ADDR": "x"}) == ["10.1.0.1"]
    for address, name in (("127.0.1.1", "lo"), ("10.1.0.1", "ib0"), ("203.0.113.9", "eth0")):
        monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
        interfaces.use_interface_of(address)
        assert os.environ["GLOO_SOCKET_IFNAME"] == name
    interfaces.use_interface_of("10.0.0.1")
    assert os.environ["GLOO_SOCKET_IFNAME"] == "eth0", "what is chosen stays"
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")
    monkeypatch.setattr(interfaces, "psutil", None)
    assert interfaces.published_addresses({}) == [host()]
    interfaces.use_interface_of("10.0.0.1")
    assert "GLOO_SOCKET_IFNAME" not in os.environ, "gloo chooses"


def test_a_rank_of_another_machine_has_ended_when_it_reports_so(monkeypatch: pytest.MonkeyPatch) -> None:
    roster = Roster.serve(2)
    other = Roster.connect("127.0.0.1", roster.store.port, 1, 2)
    with monkeypatch.context() as there:
        there.setattr(socket, "gethostname", lambda: "node9")
        other.join(torch.device("cpu"))
    rank = LaunchedRank(roster, 1)
    assert rank.poll() is None, "its process is not visible here"
    other.leave()
    assert rank.poll() == 1


def test_a_machine_without_loopback_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch would try for five minutes and obey no signal."""

    def unreachable(*_: object, **__: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(RankLost, match=r"do not reach each other at 127\.0\.0\.1") as caught:
        Roster.serve(2)
    assert caught.value.detail == f"Network is unreachable ({host()})"
    assert "ip link set lo up" in caught.value.next[0]
