"""Steps of several ranks beside those of one process: the ratio of their speeds, and the bytes of a step.

The other ranks are processes of their own, `python -m wmse_tui.engine.benchmark.rank_speed`, started by rank
0, and wait while it measures what one process does. Views are noise in memory: nothing is loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from wmse_tui.config.loading import dump_experiment, parse_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.rounds import Row, Stopwatch, time_rounds
from wmse_tui.engine.distribution.collectives import Collective, recorded_collectives
from wmse_tui.engine.distribution.other_ranks import device_of_rank, join_group, share_cores
from wmse_tui.engine.distribution.ranks import Group, Kind, Message
from wmse_tui.engine.distribution.roster import LOOPBACK, Roster
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.parent_process import end_with_parent
from wmse_tui.engine.process import settle
from wmse_tui.engine.profiling.timed_steps import TimedSteps
from wmse_tui.engine.training.device import prepare
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.text.units import count

MODULE = "wmse_tui.engine.benchmark.rank_speed"


def measure_ranks(experiment: Experiment, device: torch.device, *, rounds: int) -> tuple[Row, dict[str, Any]]:
    """Time steps of `compute.devices` ranks, alternating with steps of one process that has the whole batch.

    On a CPU each has its part of the cores as threads, and so has the one process.

    Returns:
        The row, and a JSON object: `ranks`, `efficiency` (the ratio of the speeds over the number of ranks),
        `parameters` (trained), and `transfers`, which rank 0 makes in a step (name, bytes, count).

    Raises:
        EngineError: a rank has ended.
    """
    world, batch = experiment.compute.ranks, experiment.schedule.batch_size
    threads = torch.get_num_threads()
    share_cores(world)
    try:
        with _ranks(experiment, device, world) as group:
            watch = Stopwatch(device)
            alone, shared = TimedSteps(experiment, device), TimedSteps(experiment, device, ranks=group)
            every, own = _views(experiment, device, 1, 0), _views(experiment, device, world, 0)
            at_once = 1 if device.type == "cpu" else 10  # a GPU is synchronised only once in a while

            def together() -> None:
                group.announce(Message(Kind.STEP))
                shared.step(own)

            def timed(steps: Any) -> float:
                return watch(lambda: [steps() for _ in range(at_once)]) / at_once

            each = count(torch.get_num_threads(), "thread") if device.type == "cpu" else "one GPU"
            row = time_rounds(
                "ranks",
                f"a step of {world} ranks, {batch // world} images and {each} each",
                lambda: timed(together),
                lambda: timed(lambda: alone.step(every)),
                rounds=rounds,
                warm_up=2,
                work=experiment.augmentation.views * batch,
                unit="views",
                against=f"one of these processes with all {batch} images",
            )
            with recorded_collectives() as transfers:
                together()
            group.announce(Message(Kind.END))
    finally:
        torch.set_num_threads(threads)
    assert row.ratio is not None
    parameters = sum(parameter.numel() for parameter in shared.method.trainable_parameters())
    return row, {
        "ranks": world,
        "efficiency": row.ratio.median / world,
        "parameters": parameters,
        "transfers": _counted(transfers),
    }


def _counted(transfers: Sequence[Collective]) -> list[dict[str, Any]]:
    """Calls with their number, the largest first."""
    numbers = Counter(transfers)
    ordered = sorted(numbers, key=lambda transfer: (-transfer.bytes, transfer.name))
    return [{"name": one.name, "bytes": one.bytes, "count": numbers[one]} for one in ordered]


@contextmanager
def _ranks(experiment: Experiment, device: torch.device, world: int) -> Iterator[Group]:
    """Start the other ranks and form the group; they are ended after the block."""
    roster = Roster.serve(world)
    processes = []
    try:
        for rank in range(1, world):
            own = device_of_rank(device, rank, experiment.compute.cards)
            numbers = (rank, world, roster.store.port, os.getpid(), torch.get_num_threads())
            processes.append(start_rank(experiment, *map(str, numbers), str(own)))
        roster.join(device)
        while not all(roster.member(rank) for rank in range(1, world)):
            _require_running(processes)
            time.sleep(0.05)
        try:
            yield join_group(0, world, roster.another_connection(), device)
        except RuntimeError as error:  # of torch: a connection is broken
            raise EngineError(
                "the ranks could not take a step together",
                str(error).splitlines()[0],
                next=("what they printed is above", "try compute.devices=auto"),
            ) from error
    finally:
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(2)
            process.kill()
            process.wait()
        if dist.is_initialized():
            dist.destroy_process_group()


def start_rank(experiment: Experiment, *arguments: str) -> subprocess.Popen[str]:
    """Start `serve_rank` with these arguments in a process of its own."""
    process = subprocess.Popen(
        interpreter_command(MODULE, *arguments), stdin=subprocess.PIPE, stdout=sys.stderr, text=True
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as stdin:
        json.dump(dump_experiment(experiment), stdin)
    return process


def _require_running(processes: Sequence[subprocess.Popen[str]]) -> None:
    for rank, process in enumerate(processes, 1):
        status = process.poll()
        if status is not None:
            raise EngineError(
                f"rank {rank} could not be started",
                f"its process ended with status {status}; what it printed is above",
                next=("a smaller compute.devices",),
            )


def _views(experiment: Experiment, device: torch.device, world: int, rank: int) -> Tensor:
    """Noise in place of a rank's views."""
    crop = experiment.dataset.crop
    shape = (experiment.augmentation.views, experiment.schedule.batch_size // world, 3, crop, crop)
    return torch.randn(shape, generator=torch.Generator().manual_seed(rank)).to(device)


def serve_rank(experiment: Experiment, *arguments: str) -> None:
    """Take steps with rank 0 until it ends them.

    Args:
        experiment: as rank 0 has it.
        arguments: rank, world, port, process of rank 0, threads, device.
    """
    rank, world, port, parent, threads = map(int, arguments[:5])
    if not end_with_parent(parent):
        return
    device = torch.device(arguments[5])
    torch.set_num_threads(threads)
    prepare(device, deterministic=experiment.compute.deterministic)
    roster = Roster.connect(LOOPBACK, port, rank, world)
    roster.join(device)
    group = join_group(rank, world, roster.another_connection(), device)
    steps, views = TimedSteps(experiment, device, ranks=group), _views(experiment, device, world, rank)
    while group.receive().kind is Kind.STEP:
        steps.step(views)
    dist.destroy_process_group()


if __name__ == "__main__":
    settle()
    serve_rank(parse_experiment(json.load(sys.stdin), "stdin"), *sys.argv[1:])
