"""Ranks as processes that are forked, without the seconds in which each imports torch."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from forked_trainers import ForkedTrainer
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

import wmse_tui.engine.rank
import wmse_tui.engine.training.rank_training
from wmse_tui.engine.distribution.other_ranks import join_group
from wmse_tui.engine.distribution.ranks import Group

# At its first backward pass torch starts a thread for each GPU, and then refuses backward passes in processes
# that are forked. A dry run pretends that there is a GPU: so the first pass is taken here, without one.
torch.ones((), requires_grad=True).backward()

Result = TypeVar("Result")
Task = Callable[..., Any]


class ForkedRanks:
    """A process group of this process, rank 0, and of others that were forked once; of any size."""

    def __init__(self, most: int) -> None:
        self._store = TCPStore("127.0.0.1", 0, most, is_master=True, wait_for_workers=False)
        self._pipes: list[Connection] = []
        self._processes = []
        self._formed = 0
        self._others: list[Connection] = []
        self._group: Group | None = None
        context = multiprocessing.get_context("fork")
        for rank in range(1, most):
            ours, theirs = context.Pipe()
            process = context.Process(target=_obey, args=(theirs, rank, self._store.port), daemon=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
                process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    @contextmanager
    def group(self, world: int) -> Iterator[ForkedRanks]:
        """Within this block `world` of the ranks are a group."""
        assert all(process.is_alive() for process in self._processes), "an earlier error has ended the ranks"
        self._formed += 1
        self._others = self._pipes[: world - 1]
        for pipe in self._others:
            pipe.send((world, self._formed))
        self._group = _form(self._store, 0, world, self._formed)
        try:
            yield self
        finally:
            with suppress(OSError):  # they were ended by an error
                for pipe in self._others:
                    pipe.send(None)
            dist.destroy_process_group()

    def run(self, task: Callable[..., Result], *arguments: Any) -> Result:
        """`task(group, *arguments)` on all ranks at once; returns the result of rank 0.

        Raises:
            AssertionError: another rank has failed; with its traceback. No rank can be used afterwards.
        """
        assert self._group is not None
        for pipe in self._others:
            pipe.send((task, arguments))
        try:
            result = task(self._group, *arguments)
        except BaseException as error:
            # Where the connection of a rank is closed, its pipe is, or a moment later.
            ended = wait(self._others, timeout=5) if "gloo" in str(error) else []
            errors = self._errors([pipe for pipe in self._others if pipe in ended])
            self._kill()  # they wait for this one
            if errors:
                raise AssertionError(errors) from error
            raise
        errors = self._errors(self._others)
        if errors:
            self._kill()
            raise AssertionError(errors)
        return result

    def _errors(self, pipes: list[Connection]) -> str:
        """The tracebacks of ranks, when they are done."""
        errors = [(self._others.index(pipe) + 1, _result(pipe)) for pipe in pipes]
        return "\n".join(f"rank {rank}: {error}" for rank, error in errors if error)

    def close(self) -> None:
        """End the other ranks."""
        for pipe in self._pipes:
            pipe.close()
        self._kill()

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()


def fork_rank(path: Path, *, rank: int, world: int, port: int, device: torch.device) -> ForkedTrainer:
    """In place of `other_ranks.start_rank`: the process of a rank beside the trainer, which this one is."""
    arguments = [str(path), *map(str, (rank, world, port, os.getpid(), device))]

    def follow() -> int:
        sys.argv[1:] = arguments
        return wmse_tui.engine.rank.main()

    return forked(follow)


def forked(body: Callable[[], int]) -> ForkedTrainer:
    """A process that returns the exit code `body()`, with all that was patched in this one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if child:
        return ForkedTrainer(child)
    gc.freeze()  # what the parent left to be collected ends threads that are not in this process
    code = 70
    try:
        os.closerange(3, 4096)  # as of a program that is executed: the store of rank 0 is its own
        sys.stdout, sys.stderr = open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
        code = body()
    finally:
        os._exit(code)


def _form(store: TCPStore, rank: int, world: int, number: int) -> Group:
    return join_group(rank, world, PrefixStore(f"group {number}", store), torch.device("cpu"))


def _result(pipe: Connection) -> str:
    """The traceback that a rank sends when it has done its task, "" where there is none."""
    try:
        return str(pipe.recv())
    except EOFError:
        return "it has ended without a traceback"


def _obey(pipe: Connection, rank: int, port: int) -> None:
    torch.set_num_threads(1)
    store = TCPStore("127.0.0.1", port, None, is_master=False, wait_for_workers=False)
    with suppress(EOFError):
        while True:
            world, number = pipe.recv()
            group = _form(store, rank, world, number)
            while (work := pipe.recv()) is not None:
                task, arguments = work
                try:
                    task(group, *arguments)
                    pipe.send("")
                except BaseException:  # noqa: BLE001  shown by the test; also a failure of pytest
                    pipe.send(traceback.format_exc())
                    os._exit(1)  # what the others compute with this one fails at once
            dist.destroy_process_group()
