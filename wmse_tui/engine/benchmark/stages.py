"""`wmse-tui bench` in a process of its own: `python -m wmse_tui.engine.commands benchmark`.

It reads a configuration from stdin and writes JSON lines (`engine/jsonl.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import torch

from wmse_tui import __version__
from wmse_tui.config.loading import parse_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.evaluation_stages import linear_probes, nearest_neighbours
from wmse_tui.engine.benchmark.inputs import augmentation, load_images, pipeline, some_batches
from wmse_tui.engine.benchmark.overhead import bookkeeping_row, diagnostics_row
from wmse_tui.engine.benchmark.rank_speed import measure_ranks
from wmse_tui.engine.benchmark.rounds import Row, Stopwatch, time_rounds
from wmse_tui.engine.benchmark.steps import parts_of_a_step, whitening_loss, whole_step
from wmse_tui.engine.distribution.other_ranks import require_devices
from wmse_tui.engine.jsonl import ArgumentParser, Command, Write, run_command
from wmse_tui.engine.profiling.dry_run import dry_run
from wmse_tui.engine.profiling.timed_steps import TimedSteps
from wmse_tui.engine.training.device import ChosenDevice, choose_device, prepare
from wmse_tui.runs.process.cores import available_cores

STAGES = ("input", "whitening", "step", "evaluation")
BATCHES = 2
MATRIX_SIDE = {"cpu": 1536, "cuda": 8192}
COPIED_BYTES = {"cpu": 2**28, "cuda": 2**31}  # more than any cache holds

COMMAND = Command(
    name="benchmark",
    options=frozenset({"--set", "--against", "--stage", "--rounds"}),
    wording={
        "train on the CPU": "measure on the CPU",
        "start the run again": "measure again",
        "or start a new run with": "or",
        "a new run with --set": "--set",
        "a new run with compute": "--set compute",
        "start a new run": "",
    },
)

Report = Callable[[str], None]


def benchmark_command(arguments: Sequence[str]) -> int:
    """Measure according to the arguments; returns the exit code."""
    parser = ArgumentParser(prog="python -m wmse_tui.engine.commands benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--stage", action="append", choices=STAGES)
    parser.add_argument("--against-reference", action="store_true")

    def work(write: Write) -> dict[str, Any]:
        options = parser.parse_args(arguments)
        return benchmark(
            parse_experiment(sys.stdin.read(), "stdin"),
            rounds=options.rounds,
            stages=tuple(options.stage or STAGES),
            compare=options.against_reference,
            report=lambda stage: write({"progress": {"name": f"measuring: {stage}"}}),
        )

    return run_command(COMMAND, work)


def benchmark(
    experiment: Experiment, *, rounds: int, stages: Sequence[str], compare: bool, report: Report
) -> dict[str, Any]:
    """Measure the stages of an experiment on its device.

    Args:
        experiment: which recipe.
        rounds: how often each stage is timed.
        stages: of `STAGES`.
        compare: also time the paper's implementation, alternating with ours.
        report: called with the name of the next stage.

    Returns:
        The machine, the rows (see `rounds.Row`), the shortest possible step on this device (`_floor`), and
        what several ranks send in a step (see `measure_ranks`).

    Raises:
        EngineError: the device cannot be used, or the recipe cannot be trained.
    """
    device = choose_device(experiment.compute.first_device)
    prepare(device.torch, deterministic=experiment.compute.deterministic)
    require_devices(device.torch, experiment.compute)
    rows = list(_rows(experiment, device, rounds, stages, compare, report))
    shared = None
    if "step" in stages and experiment.compute.ranks > 1:
        report("steps of several ranks")
        row, shared = measure_ranks(experiment, device.torch, rounds=rounds)
        rows.append(row)
    return {
        "version": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": experiment.title,
        "device": device.name,
        "cores": available_cores(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
        "rows": [row.to_json() for row in rows],
        "floor": _floor(experiment, rows),
        "ranks": shared,
    }


def _rows(
    experiment: Experiment,
    device: ChosenDevice,
    rounds: int,
    stages: Sequence[str],
    compare: bool,
    report: Report,
) -> Iterator[Row]:
    target = device.torch
    loaded = None
    if "input" in stages or "step" in stages:
        report("images")
        loaded = load_images(experiment)
    if "input" in stages and loaded is not None:
        report("augmentation")
        row = augmentation(experiment, loaded, rounds=rounds, compare=compare)
        if row is not None:
            yield row
        report("input")
        yield pipeline(experiment, loaded, target, rounds=rounds, compare=compare)
    if "whitening" in stages:
        report("whitening")
        row = whitening_loss(experiment, target, rounds=rounds, compare=compare)
        if row is not None:
            yield row
    if "step" in stages and loaded is not None:
        report("a training step")
        batches = some_batches(experiment, loaded, target, BATCHES)
        steps = TimedSteps(experiment, target, steps_per_epoch=100)
        compiled = steps.compile(batches[0])
        step = whole_step(steps, experiment, batches, target, rounds=rounds, compare=compare, note=compiled)
        yield step
        if not compiled:  # hooks do not run inside compiled networks
            report("the parts of a step")
            yield from parts_of_a_step(steps, batches, target, rounds=rounds)
        yield bookkeeping_row(steps, experiment, step.ours.median, target)
        report("diagnostics")
        yield diagnostics_row(steps, experiment, batches[0], target, n=min(5, rounds))
        report("the device")
        yield matrix_product(target, experiment.compute.precision, rounds=rounds)
        yield memory_copy(target, rounds=rounds)
    if "evaluation" in stages:
        few = min(3, rounds)
        dim = dry_run(experiment, check=lambda: None).feature_dim
        report("nearest neighbours")
        yield nearest_neighbours(dim, target, rounds=few)
        report("linear probes")
        yield from linear_probes(dim, target, rounds=few)


def _floor(experiment: Experiment, rows: Sequence[Row]) -> dict[str, float] | None:
    """A lower bound of a step's time, from the speeds of a matrix product and of a copy on this device.

    `share` is the larger of the two in the measured time. Memory is counted operation by operation, as a
    trainer that fuses none would move it, so what stays in a cache or is fused may be faster than this floor.
    """
    by_stage = {row.stage: row for row in rows}
    if not {"step", "arithmetic", "memory"} <= by_stage.keys():
        return None
    needed = dry_run(experiment, check=lambda: None)
    seconds = by_stage["step"].ours.median
    product, copy = by_stage["arithmetic"], by_stage["memory"]
    arithmetic = needed.step_flops / 1e9 / (product.work / product.ours.median)
    memory = needed.traffic / 1e9 / (copy.work / copy.ours.median)
    return {
        "gflop": needed.step_flops / 1e9,
        "gigabytes": needed.traffic / 1e9,
        "arithmetic_seconds": arithmetic,
        "memory_seconds": memory,
        "step_seconds": seconds,
        "share": max(arithmetic, memory) / seconds,
    }


def matrix_product(device: torch.device, precision: str, *, rounds: int) -> Row:
    """One large matrix product; `work` counts a multiplication and an addition as two, as GFLOP."""
    side = MATRIX_SIDE[device.type]
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    watch = Stopwatch(device)
    return time_rounds(
        "arithmetic",
        f"product of two {side} x {side} matrices, {precision}",
        lambda: watch(lambda: a @ b),
        None,
        rounds=3 * rounds,
        warm_up=3,
        work=2 * side**3 / 1e9,
        unit="GFLOP",
    )


def memory_copy(device: torch.device, *, rounds: int) -> Row:
    """One copy; `work` counts what is read and what is written, in GB."""
    source = torch.ones(COPIED_BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    watch = Stopwatch(device)
    return time_rounds(
        "memory",
        f"copy of {COPIED_BYTES[device.type] // 2**20} MiB",
        lambda: watch(lambda: target.copy_(source)),
        None,
        rounds=3 * rounds,
        warm_up=3,
        work=2 * COPIED_BYTES[device.type] / 1e9,
        unit="GB",
    )
