"""How ranks that a launcher started find each other: addresses, earlier attempts, ranks that do not come."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import psutil
import pytest
import torch

from wmse_tui.engine.distribution import interfaces, other_ranks, rendezvous
from wmse_tui.engine.distribution.attempt_of_rank_0 import AttemptOfRank0
from wmse_tui.engine.distribution.other_ranks import LaunchedRank, OtherRanks
from wmse_tui.engine.distribution.rendezvous import find_rank_0
from wmse_tui.engine.distribution.roster import Roster
from wmse_tui.engine.errors import RankLost
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.events import Error, Event, Exit, Phase
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.identity import TrainerRecord, host, identify, write_record
from wmse_tui.runs.process.lock import RunLock
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
        find_rank_0(AttemptOfRank0(run), 2, 4)
        with pytest.raises(RankLost, match="ranks 1, 3 of 4 did not arrive in 0 s") as caught:
            others.form(lambda: None)
    assert caught.value.detail.endswith(f"arrived: rank 2 ({HERE})")
    assert caught.value.detail.startswith(f"rank 0 waited on {host()}, port ")
    assert caught.value.next[1].endswith("firewalls, MASTER_ADDR, GLOO_SOCKET_IFNAME")


def test_a_rank_reports_why_it_has_not_found_rank_0(run: RunDirectory) -> None:

    def problem(rank: int = 1, world: int = 2) -> str:
        with pytest.raises(RankLost, match=f"rank {rank} of {world} did not find rank 0 in 0 s") as caught:
            find_rank_0(AttemptOfRank0(run), rank, world)
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
        joined = find_rank_0(AttemptOfRank0(run), 1, 2)
        assert joined.claim("again") == "", "the process that is this rank"
        joined.store.set("claimed/1", "process 1 on node9")
        assert problem() == "another process has joined as rank 1: process 1 on node9"
        other = Roster.serve(2)
        change(run, addresses=["127.0.0.1"], port=other.store.port)
        assert problem() == f"another process listens on 127.0.0.1 port {other.store.port}"


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Polls:
    """A rank waits for 10 s, and polls every 9."""
    monkeypatch.setattr(rendezvous, "WAIT_SECONDS", 10.0)
    polls = Polls()
    clock = SimpleNamespace(monotonic=lambda: polls.now, sleep=polls.sleep)
    monkeypatch.setattr(rendezvous, "time", clock)
    return polls


class Polls:
    """A clock that advances as a rank sleeps, and what happens at each of its polls from the first on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: list[float] = []
        self.happens: list[Callable[[], object]] = []

    def sleep(self, _: float) -> None:
        if len(self.at) < len(self.happens):
            self.happens[len(self.at)]()
        self.at.append(self.now)
        self.now += 9.0


def test_rank_0_is_waited_for_as_long_as_its_log_grows(run: RunDirectory, polls: Polls) -> None:
    """It reads its images first, and then publishes its address. That of another launch shows nothing."""

    def grow() -> None:
        run.events.write_text(run.events.read_text() + "x" if run.events.exists() else "x")

    polls.happens = [grow] * 3
    with pytest.raises(RankLost):
        find_rank_0(AttemptOfRank0(run), 1, 2)
    assert polls.at == [0.0, 9.0, 18.0, 27.0, 36.0]
    with rank_0(run, 2):
        polls.at.clear()
        polls.now, polls.happens = 0.0, [grow] * 9
        with pytest.raises(RankLost, match="rank 0 trains with 2 ranks"):
            find_rank_0(AttemptOfRank0(run), 2, 3)
        assert polls.at == [0.0, 9.0]


def log_of(run: RunDirectory, *attempts: tuple[Event, ...]) -> None:
    """Append attempts to the log, each of which begins with the start."""
    with contextlib.closing(EventWriter(run.events)) as log:
        for events in attempts:
            log.begin_attempt()
            for event in (Phase("start"), *events):
                log.write(event)


def exited(status: Literal["completed", "stopped", "diverged", "failed"]) -> Exit:
    return Exit(status=status, step=0, epoch=0, seconds=1.0)


NO_IMAGES = Error(code="E_DATA", title="no images", detail="/data is empty", next=("fill it",), stage="start")


@pytest.mark.parametrize(
    ("ends", "detail", "steps"),
    [
        ((NO_IMAGES, exited("failed")), "failed: no images: /data is empty", ("fill it",)),
        ((exited("stopped"),), "stopped", ()),
    ],
    ids=["failed", "stopped"],
)
def test_a_rank_0_that_has_ended_is_not_waited_for(
    run: RunDirectory, polls: Polls, ends: tuple[Event, ...], detail: str, steps: tuple[str, ...]
) -> None:
    """That is the attempt that begins after this rank does, whatever the clocks of both machines."""
    log_of(run, (exited("failed"),), (NO_IMAGES, exited("failed")))  # earlier ones
    polls.happens = [lambda: log_of(run, ends)]
    with pytest.raises(RankLost, match="rank 1 of 2 has no rank 0: ") as caught:
        find_rank_0(AttemptOfRank0(run), 1, 2)
    assert caught.value.detail == f"attempt 3 {detail}"
    assert caught.value.next == (*steps, f"then start all ranks again: {run.path}")
    assert polls.at == [0.0]


def test_an_earlier_attempt_that_is_just_ending_ends_no_rank(run: RunDirectory) -> None:
    """Rank 0 of this launch is yet to come: it waits for that one, or still imports torch."""
    run.events.mkdir()
    unreadable = AttemptOfRank0(run)
    unreadable.require_not_ended(1, 2)
    run.events.rmdir()
    log_of(run, ())
    attempt = AttemptOfRank0(run)
    with contextlib.closing(EventWriter(run.events)) as log:
        log.write(exited("stopped"))
    for each in (attempt, unreadable, AttemptOfRank0(run)):
        each.require_not_ended(1, 2)
    with rank_0(run, 2):
        assert find_rank_0(attempt, 1, 2).world == 2


def test_a_rank_0_that_was_killed_is_not_waited_for(run: RunDirectory) -> None:
    """Of this machine alone is that known: from `trainer.json` of that attempt, and a lock that is free."""
    with subprocess.Popen(["sleep", "60"]) as process:
        trainer = identify(process.pid)
        process.kill()
    assert trainer is not None
    records = {
        "an earlier attempt": TrainerRecord(process=trainer, time=0.0, host=host(), attempt=1),
        "another machine": TrainerRecord(
            process=replace(trainer, host="node9"), time=0.0, host="node9", attempt=2
        ),
        "running": TrainerRecord(process=identify(), time=0.0, host=host(), attempt=2),
        "killed": TrainerRecord(process=trainer, time=0.0, host=host(), attempt=2),
    }
    log_of(run, ())
    attempt = AttemptOfRank0(run)
    log_of(run, ())
    for case, record in records.items():
        write_record(run, record)
        if case == "killed":
            with RunLock(run):
                attempt.require_not_ended(1, 2)
            with pytest.raises(RankLost, match="attempt 2 ended without an exit event"):
                attempt.require_not_ended(1, 2)
        else:
            attempt.require_not_ended(1, 2)


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
