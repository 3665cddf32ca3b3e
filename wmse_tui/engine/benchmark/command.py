"""The benchmark in a process of its own: a configuration on stdin, JSON lines on stdout.

Each line is one object: {"progress": {...}} any number of times, then either {"result": {...}} with exit code
0 or {"error": {"code", "title", "detail", "next"}} with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Any

import torch

from wmse_tui import __version__
from wmse_tui.config.loading import parse_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark import floor
from wmse_tui.engine.benchmark.bookkeeping import bookkeeping
from wmse_tui.engine.benchmark.inputs import augmentation, load_images, pipeline, some_batches
from wmse_tui.engine.benchmark.looks import looks
from wmse_tui.engine.benchmark.partner import serve
from wmse_tui.engine.benchmark.probes import linear_probes, nearest_neighbours
from wmse_tui.engine.benchmark.rounds import Row
from wmse_tui.engine.benchmark.steps import parts_of_a_step, whitening_loss, whole_step
from wmse_tui.engine.evaluation.command import explain
from wmse_tui.engine.profiling.dry_run import dry_run
from wmse_tui.engine.profiling.timed_steps import TimedSteps
from wmse_tui.engine.training.device import Device, choose_device, prepare

STAGES = ("input", "whitening", "step", "evaluation")
BATCHES = 2

Tell = Callable[[str], None]


def main(arguments: Sequence[str]) -> int:
    """Measure as the arguments say; returns the exit code."""
    stdout = sys.stdout

    def say(value: dict[str, Any]) -> None:
        stdout.write(json.dumps(value) + "\n")
        stdout.flush()

    parser = argparse.ArgumentParser(prog="python -m wmse_tui.engine.benchmark", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--stage", action="append", choices=STAGES)
    parser.add_argument("--against-reference", action="store_true")
    parser.add_argument("--reference-steps", action="store_true", help="be the other process of a comparison")
    options = parser.parse_args(arguments)
    if options.reference_steps:
        return serve()
    try:
        with redirect_stdout(sys.stderr):  # whatever a library prints is no data
            experiment = parse_experiment(sys.stdin.read(), "stdin")
            result = benchmark(
                experiment,
                rounds=options.rounds,
                stages=tuple(options.stage or STAGES),
                compare=options.against_reference,
                tell=lambda what: say({"progress": {"name": f"measuring: {what}"}}),
            )
        say({"result": result})
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody listens any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  the border: every failure becomes one object
        say({"error": explain(error)})
        return 1
    return 0


def benchmark(
    experiment: Experiment, *, rounds: int, stages: Sequence[str], compare: bool, tell: Tell
) -> dict[str, Any]:
    """Measure the stages of an experiment on its device.

    Args:
        experiment: which recipe.
        rounds: measurements of each stage.
        stages: of `STAGES`.
        compare: measure the paper's way of doing it beside ours, in turns.
        tell: is told what is measured next.

    Returns:
        The machine, the rows (see `rounds.Row`), and the least that a step could take here.

    Raises:
        EngineError: the device cannot be used, or the recipe cannot be trained.
    """
    device = choose_device(experiment.compute.device)
    prepare(device.torch, deterministic=experiment.compute.deterministic)
    rows = list(_rows(experiment, device, rounds, stages, compare, tell))
    return {
        "version": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": experiment.title,
        "device": device.name,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
        "rows": [row.plain() for row in rows],
        "floor": _floor(experiment, rows),
    }


def _rows(
    experiment: Experiment,
    device: Device,
    rounds: int,
    stages: Sequence[str],
    compare: bool,
    tell: Tell,
) -> Iterator[Row]:
    at = device.torch
    loaded = None
    if "input" in stages or "step" in stages:
        tell("images")
        loaded = load_images(experiment)
    if "input" in stages and loaded is not None:
        tell("augmentation")
        row = augmentation(experiment, loaded, rounds=rounds, compare=compare)
        if row is not None:
            yield row
        tell("input")
        yield pipeline(experiment, loaded, at, rounds=rounds, compare=compare)
    if "whitening" in stages:
        tell("whitening")
        row = whitening_loss(experiment, at, rounds=rounds, compare=compare)
        if row is not None:
            yield row
    if "step" in stages and loaded is not None:
        tell("a training step")
        batches = some_batches(experiment, loaded, at, BATCHES)
        steps = TimedSteps(experiment, at, steps_per_epoch=100)
        compiled = steps.compile(batches[0])
        step = whole_step(steps, experiment, batches, at, rounds=rounds, compare=compare, note=compiled)
        yield step
        if not compiled:  # compiled networks have no inside to look into
            tell("the parts of a step")
            yield from parts_of_a_step(steps, batches, at, rounds=rounds)
        yield bookkeeping(steps, experiment, step.ours.median, at)
        tell("diagnostics")
        yield looks(steps, experiment, batches[0], at, n=min(5, rounds))
        tell("the device")
        yield floor.arithmetic(at, experiment.compute.precision, rounds=rounds)
        yield floor.memory(at, rounds=rounds)
    if "evaluation" in stages:
        few = min(3, rounds)
        dim = dry_run(experiment, check=lambda: None).feature_dim
        tell("nearest neighbours")
        yield nearest_neighbours(dim, at, rounds=few)
        tell("linear probes")
        yield from linear_probes(dim, at, rounds=few)


def _floor(experiment: Experiment, rows: Sequence[Row]) -> dict[str, float] | None:
    """The least a step could take: its arithmetic at the speed of a product, its memory at that of a copy.

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
