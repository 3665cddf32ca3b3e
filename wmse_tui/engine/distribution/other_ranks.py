"""The processes of the other ranks: started by rank 0, watched by it, and never outliving it.

A rank that has ended breaks the connections of the others, so what they compute together fails at once. One
that is stopped (SIGSTOP) or hangs in the kernel breaks nothing: the watch ends it, which does. Where the main
thread still does not come back, because a GPU waits inside a kernel, the watch itself ends the run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import TCPStore  # public as torch.distributed.TCPStore
from torch.distributed.distributed_c10d import Store

from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.compute import Compute
from wmse_tui.engine.distribution.gloo_threads import gloo_threads
from wmse_tui.engine.distribution.heartbeats import SILENT_SECONDS, Heartbeats
from wmse_tui.engine.distribution.interfaces import use_interface_of
from wmse_tui.engine.distribution.main_thread import MainThreadWatch, no_progress
from wmse_tui.engine.distribution.ranks import Group, Kind, Message
from wmse_tui.engine.distribution.rendezvous import WAIT_SECONDS, publish_address
from wmse_tui.engine.distribution.roster import LOOPBACK, RESUME, Member, Roster
from wmse_tui.engine.errors import DeviceError, EngineError, RankFailed, RankLost
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import RankLoad
from wmse_tui.runs.process.cores import cores_divided, own_cores
from wmse_tui.runs.process.deferred_signals import deferred_stop_signals
from wmse_tui.runs.process.identity import host, is_running, send_signal
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.process.rank_launcher import Launched
from wmse_tui.runs.process.rebind import rebound
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count

POLL_SECONDS = 0.1
GRACE_SECONDS = 3.0  # for ranks that were asked to end; for the main thread to report a rank that is lost
STEP_TIMEOUT = timedelta(minutes=10)  # a rank may read its images so much longer than another


def device_of_rank(device: torch.device, rank: int, cards: Sequence[int] = ()) -> torch.device:
    """The device of a rank of this machine: its GPU of `cards`, or of all; where `device` is none, that."""
    if device.type != "cuda":
        return device
    return torch.device("cuda", cards[rank] if cards else rank)


def device_of_launched(device: torch.device, launched: Launched) -> torch.device:
    """The device of a rank that a launcher started; where `device` is no GPU, that.

    Of several GPUs that it sees, that of its number on this machine; of one, as by `srun --gpus-per-task=1`,
    that one.

    Raises:
        DeviceError: it sees several GPUs, and fewer than its machine has ranks.
    """
    if device.type != "cuda":
        return device
    visible = torch.cuda.device_count()
    if visible > 1 and launched.local_rank >= visible:
        raise DeviceError(
            f"{launched.by} has started more ranks on this machine than it sees GPUs",
            f"rank {launched.rank} is number {launched.local_rank + 1} on {host()}, "
            f"where {count(visible, 'GPU')} are visible",
            next=(
                "start one process for each GPU: torchrun --nproc-per-node=N, srun --gpus-per-task=1",
                "check CUDA_VISIBLE_DEVICES",
            ),
        )
    return torch.device("cuda", launched.local_rank if visible > 1 else 0)


def require_own_cards(members: Sequence[Member]) -> None:
    """Refuse ranks that share a GPU, over which NCCL does not work.

    Args:
        members: of all ranks, from rank 0 on.

    Raises:
        DeviceError: two of them have the same GPU.
    """
    first: dict[tuple[str, str], int] = {}
    for rank, member in enumerate(members):
        card = (member.process.host, member.card)
        if member.card and card in first:
            raise DeviceError(
                f"ranks {first[card]} and {rank} have the same GPU",
                f"{safe(member.card, 64)} of {safe(member.process.host, 64)}",
                next=(
                    "request a GPU for each rank: srun --ntasks-per-node=N --gpus-per-node=N",
                    "by torchrun or a shell: list a GPU for each process in CUDA_VISIBLE_DEVICES",
                    "by a shell: number the processes of each machine by LOCAL_RANK, from 0",
                ),
            )
        first.setdefault(card, rank)


def with_ranks(experiment: Experiment, launched: Launched | None) -> Experiment:
    """The experiment on as many ranks as the launcher has started, if one has.

    Raises:
        ConfigError: it cannot be divided among them.
    """
    if launched is None:
        return experiment
    return rebound(experiment, [f"compute.devices={launched.world}"], source=launched.by)


def require_devices(device: torch.device, compute: Compute) -> None:
    """Refuse more ranks than there are GPUs, and GPUs that do not exist.

    Raises:
        DeviceError: with the number of those that are visible.
    """
    visible = torch.cuda.device_count() if device.type == "cuda" else 0
    if not visible or max(compute.cards, default=compute.ranks - 1) < visible:
        return
    if compute.cards:
        title = f"compute.devices={list(compute.cards)} names a GPU that does not exist"
    else:
        title = f"compute.devices={compute.ranks} needs {compute.ranks} GPUs"
    raise DeviceError(
        title,
        f"{count(visible, 'visible GPU')}, counted from 0",
        next=(
            f"at most compute.devices={visible}: the result is the same",
            "check CUDA_VISIBLE_DEVICES",
        ),
    )


def share_cores(world: int) -> None:
    """Leave each rank of this machine its part of the cores."""
    with cores_divided(world):
        torch.set_num_threads(min(own_cores(), torch.get_num_threads()))


def join_group(rank: int, world: int, store: Store, device: torch.device) -> Group:
    """Form the process group, when all ranks are there."""
    on_gpu = device.type == "cuda"
    if isinstance(store, TCPStore) and store.host == LOOPBACK:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the messages of a GPU's ranks go there too
    if on_gpu:
        torch.cuda.set_device(device)
    with contextlib.nullcontext() if on_gpu else gloo_threads():
        dist.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=store,
            rank=rank,
            world_size=world,
            timeout=STEP_TIMEOUT,
            device_id=device if on_gpu else None,
        )
    return Group(rank, world, device)


def start_rank(
    path: Path, *, rank: int, world: int, port: int, device: torch.device
) -> subprocess.Popen[bytes]:
    """Start the process of a rank of this machine, with the streams of this one."""
    numbers = map(str, (rank, world, port, os.getpid()))
    command = interpreter_command(
        "wmse_tui.engine.rank", str(path), *numbers, str(device), options=("-u", "-X", "faulthandler")
    )
    environment = {"OMP_NUM_THREADS": str(torch.get_num_threads())} | os.environ
    with deferred_stop_signals():
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)


class LaunchedRank:
    """The process of a rank that a launcher started.

    On another machine it shows that it runs by its heartbeats alone, and an end in order by its word.
    """

    def __init__(self, roster: Roster, rank: int) -> None:
        self._roster = roster
        self._rank = rank
        self._member: Member | None = None

    def poll(self) -> int | None:
        """1 if it has ended: its status is the launcher's to know."""
        self._member = self._member or self._roster.member(self._rank)
        if self._member is None:
            return None
        running = is_running(self._member.process)
        ended = self._roster.has_left(self._rank) if running is None else not running
        return 1 if ended else None

    def kill(self) -> None:
        if self._member is not None:
            send_signal(self._member.process, signal.SIGKILL)


class OtherRanks:
    """The ranks from 1 on, of a run whose rank 0 is this process.

    Args:
        run: the run's directory.
        devices: of all ranks, from rank 0, this one, on. Those that a launcher has started choose their own.
        launched: by which launcher all were started; None: they are started here.
        abandon: reports an error and ends this process, where its main thread cannot.
    """

    def __init__(
        self,
        run: RunDirectory,
        devices: Sequence[torch.device],
        *,
        launched: Launched | None,
        abandon: Callable[[EngineError], None],
    ) -> None:
        self._world = world = len(devices)
        self._device = devices[0]
        self._abandon = abandon
        self._roster = Roster.serve(world, one_machine=launched is None or launched.one_machine)
        self._roster.join(self._device)
        self._lost: EngineError | None = None
        self._ended = threading.Event()  # the main thread knows, or needs no others any more
        self._processes: dict[int, subprocess.Popen[bytes] | LaunchedRank]
        if launched is None:
            port = self._roster.store.port
            self._processes = {
                rank: start_rank(run.path, rank=rank, world=world, port=port, device=devices[rank])
                for rank in range(1, world)
            }
        else:
            self._processes = {rank: LaunchedRank(self._roster, rank) for rank in range(1, world)}
            publish_address(run, self._roster, one_machine=launched.one_machine)
        self._deadline = time.monotonic() + WAIT_SECONDS
        self._heartbeats = Heartbeats(self._roster, self._processes, self._end_silent)
        self._loads = Roster(self._roster.another_connection(), 0, world)
        self._main_thread = MainThreadWatch(self._hangs, others=self.started)
        threading.Thread(target=self._watch, name="other ranks", daemon=True).start()

    def form(self, poll: Callable[[], None]) -> Group:
        """Wait until all are ready, then form the group.

        Args:
            poll: called meanwhile; may raise.

        Raises:
            EngineError: as of `require_running`.
            DeviceError: two ranks have the same GPU.
        """
        while not all(map(self._roster.is_ready, self._processes)):
            poll()
            self.require_running()
            if time.monotonic() > self._deadline:
                self._require_arrived()
            time.sleep(POLL_SECONDS)
        every = map(self._roster.member, range(self._world))
        require_own_cards([member for member in every if member is not None])
        use_interface_of(self._reached())
        return join_group(0, self._world, self._roster.another_connection(), self._device)

    def _reached(self) -> str:
        """The address by which other ranks have reached this one: of another machine, if any is there."""
        ranks = sorted(self._processes, key=lambda rank: self._roster.arrived(rank).endswith(f" on {host()}"))
        return next(filter(None, map(self._roster.reached, ranks)), LOOPBACK)

    def _require_arrived(self) -> None:
        """Raise RankLost where ranks that a launcher was to start have not come."""
        arrived = {rank: self._roster.arrived(rank) for rank in self._processes}
        missing = [rank for rank, process in arrived.items() if not process]
        if not missing or any(isinstance(process, subprocess.Popen) for process in self._processes.values()):
            return
        there = [f"rank {rank} ({safe(process, 100)})" for rank, process in arrived.items() if process]
        raise RankLost(
            f"{listed('rank', missing)} of {self._world} did not arrive in {WAIT_SECONDS:.0f} s",
            f"rank 0 waited on {host()}, port {self._roster.store.port}; arrived: "
            f"{', '.join(there) or 'none'}",
            next=(
                "start all ranks, on one run directory that their machines share; each prints what it tried",
                "let the machines reach each other: firewalls, MASTER_ADDR, GLOO_SOCKET_IFNAME",
                RESUME,
            ),
        )

    def require_running(self) -> None:
        """Raise the error that explains why a rank has ended, if one has.

        Raises:
            RankLost: it was killed, or showed no sign of life.
            EngineError: it failed by itself; with the code of that failure.
        """
        if self._lost is not None:
            self._ended.set()
            raise self._lost

    def explain(self, error: RuntimeError) -> None:
        """Raise the error that explains one of torch, if the end of a rank was the cause: it is seen soon.

        An error of NCCL that no rank has caused by its end is left as it is.

        Raises:
            EngineError: as of `require_running`; RankLost where only the connection is known to be broken.
        """
        if not any(text in str(error) for text in ("gloo", "NCCL", "onnection")):
            return
        deadline = time.monotonic() + SILENT_SECONDS + 1
        while time.monotonic() < deadline:
            self.require_running()
            time.sleep(POLL_SECONDS)
        if "NCCL error" in str(error):
            return  # it has a reason of its own
        raise RankLost(
            "the connection between the ranks is broken", str(error).splitlines()[0], next=(RESUME,)
        )

    def end(self, group: Group | None) -> None:
        """End all ranks: by a message to a group that waits for one, else by a signal."""
        self._ended.set()
        self._main_thread.end()
        self._heartbeats.end()
        if group is not None and self._lost is None:
            with contextlib.suppress(RuntimeError):
                group.announce(Message(Kind.END))
                deadline = time.monotonic() + GRACE_SECONDS
                while self._running() and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS / 10)
        in_order = not self._running()
        for process in self._processes.values():
            if not isinstance(process, LaunchedRank):
                process.kill()
                process.wait()
            elif not in_order:
                process.kill()
        if dist.is_initialized():
            dist.destroy_process_group()

    def _running(self) -> bool:
        return any(process.poll() is None for process in self._processes.values())

    def _watch(self) -> None:
        """Notice that a rank has ended; that is an error until `end` is called."""
        while not self._ended.wait(POLL_SECONDS):
            for rank, process in self._processes.items():
                status = process.poll()
                if status is not None and not self._ended.is_set():
                    if isinstance(process, LaunchedRank):
                        how = "has ended"
                    else:
                        how = f"ended by {signal_text(-status) if status < 0 else f'status {status}'}"
                    self._lose(rank, how)
                    return

    def _end_silent(self, rank: int) -> None:
        member = self._roster.member(rank)
        here = member is None or member.process.host == host()
        why = "stopped, or hanging" if here else "ended, stopped or hanging, or its machine is not reached"
        self._lose(rank, f"showed no sign of life for {SILENT_SECONDS:.0f} s ({why})")

    def loads(self) -> tuple[RankLoad, ...]:
        """What the others use, as each reported last; those that have not, or cannot, are left out."""
        with contextlib.suppress(RuntimeError):  # of torch: a store that ends with this process
            return tuple(filter(None, map(self._loads.load, self._processes)))
        return ()

    def started(self) -> set[int]:
        """The processes that are children of this one."""
        return {each.pid for each in self._processes.values() if not isinstance(each, LaunchedRank)}

    def _hangs(self, task: str) -> None:
        """The main thread of this process hangs, and cannot report it."""
        self._roster.report_failure(no_progress(task))
        self._lost = self._lost or self._error(0, "hangs")
        for process in self._processes.values():
            process.kill()
        self._abandon(self._lost)

    def _lose(self, rank: int, how: str) -> None:
        """The first rank that is lost explains the end of the run; all others are ended with it."""
        if self._ended.is_set() or self._lost is not None:
            return
        error = self._error(rank, how)
        self._lost = self._lost or error
        for process in self._processes.values():
            process.kill()
        if not self._ended.wait(GRACE_SECONDS):
            self._abandon(self._lost)

    def _error(self, rank: int, how: str) -> EngineError:
        failure = self._roster.failure(rank)
        member = self._roster.member(rank)
        who = member.text() if member else safe(self._roster.arrived(rank), 100) or "its process"
        if failure is None:
            return RankLost(
                f"rank {rank} of {self._world} is lost",
                f"{who} {how}",
                next=(RESUME, "what it printed last is in trainer.log (`wmse-tui logs --raw RUN`)"),
            )
        what, newline, evidence = failure.detail.partition("\n")
        return RankFailed(
            f"rank {rank}: {failure.title}",
            f"{what} ({who}){newline}{evidence}",
            next=failure.next,
            code=failure.code,
            files=failure.files,
        )


def listed(noun: str, numbers: list[int]) -> str:
    """`rank 3`, `ranks 1, 2`."""
    return f"{noun}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def signal_text(number: int) -> str:
    """`signal 9 (SIGKILL)`."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
