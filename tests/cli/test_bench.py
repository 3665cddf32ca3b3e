"""`bench`: a real benchmark of a tiny recipe, as text and as JSON, and what is refused.

One benchmark is a process, as a user has it. For the others, the engine's half computes in this process, and
the process that the command starts prints what it wrote.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from wmse_tui.cli.commands.bench import benchmark_text
from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.engine.benchmark.stages import benchmark_command

TINY = (
    "dataset.crop=16",
    "schedule.batch_size=16",
    "method.whitening_size=8",
    "projector.dim=4",
    "projector.hidden=8",
    "compute.device=cpu",
)


Bench = Callable[..., Result]


def command_line(*arguments: str, overrides: tuple[str, ...] = ()) -> list[str]:
    sets = [argument for key in (*TINY, *overrides) for argument in ("--set", key)]
    return ["bench", *sets, "--rounds", "1", *arguments]


@pytest.fixture
def bench(cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """`bench("--stage", "step", overrides=("compute.device=cpu",))`, with the engine in this process."""

    def run(*arguments: str, overrides: tuple[str, ...] = ()) -> Result:
        lines = tmp_path / "lines"

        def measure(module: str, command: str, *rounds: str) -> list[str]:
            assert (module, command) == ("wmse_tui.engine.commands", "benchmark")
            experiment = load_experiment(preset="quickstart", overrides=(*TINY, *overrides))
            with monkeypatch.context() as patch, lines.open("w") as output:
                patch.setattr("sys.stdin", io.StringIO(dump_experiment(experiment)))
                with contextlib.redirect_stdout(output):
                    benchmark_command([*rounds, *(each for each in arguments if each != "--json")])
            return ["sh", "-c", f"cat {lines}", "sh"]

        monkeypatch.setattr("wmse_tui.cli.commands.bench.interpreter_command", measure)
        return cli(*command_line(*arguments, overrides=overrides))

    deterministic = torch.are_deterministic_algorithms_enabled()
    yield run
    torch.use_deterministic_algorithms(deterministic)


def test_each_stage_is_measured_beside_the_reference() -> None:
    stages = ("--stage", "input", "--stage", "whitening", "--stage", "step")
    command = [sys.executable, "-m", "wmse_tui", *command_line("--against", "reference", "--json", *stages)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    rows = {row["stage"]: row for row in result["rows"]}
    assert list(rows) == [
        *("augmentation", "input", "whitening", "step"),
        *("forward", "loss", "backward", "optimizer", "bookkeeping", "diagnostics", "arithmetic", "memory"),
    ]
    shares = [float(share) for share in re.findall(r"([\d.]+)% of", rows["diagnostics"]["note"])]
    assert len(shares) == 3
    assert max(shares) < 2, "of ten minutes, an hour, a day"
    assert all(row["seconds"]["low"] > 0 for row in rows.values())
    for stage in ("augmentation", "input", "whitening", "step"):
        assert rows[stage]["reference_seconds"]["low"] > 0
        ratio = rows[stage]["ratio"]
        assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
    assert rows["step"]["work"] == 2 * 16
    floor = result["floor"]
    assert floor["share"] == max(floor["arithmetic_seconds"], floor["memory_seconds"]) / floor["step_seconds"]
    text = "\n".join(benchmark_text(result))
    assert "floor of a step" in text
    assert "against Pillow and torchvision" in text
    assert max(len(line) for line in text.splitlines() if line[:1].strip() and "x (" in line) <= 80


def test_one_stage_alone_is_printed_as_text(bench: Bench) -> None:
    done = bench("--stage", "whitening")
    assert done.exit_code == 0, done.stderr
    assert "W-MSE forward and backward, 2 views of 16 x 4, slices of 8, 1 iteration" in done.stdout
    assert "reference" not in done.stdout
    assert done.stderr.splitlines() == ["measuring: whitening"]


def test_a_wrong_recipe_is_refused_before_anything_is_measured(bench: Bench) -> None:
    done = bench(overrides=("optimiser.lr=1",))
    assert done.exit_code == 2
    assert "optimiser" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_that_is_not_there_is_refused_with_the_options_of_this_command(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = bench("--stage", "whitening", overrides=("compute.device=cuda",))
    assert done.exit_code == 1
    assert "compute.device=cuda cannot be used" in done.stderr
    assert "-> measure on the CPU: --set compute.device=cpu" in done.stderr.splitlines()[-1]
    assert "--device" not in done.stderr
    assert "evaluation" not in done.stderr


def test_an_unforeseen_failure_is_that_of_the_benchmark(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: 1 / 0)
    done = bench("--stage", "whitening", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["title"] == "the benchmark failed: ZeroDivisionError"
    assert "the benchmark failed: ZeroDivisionError" in done.stderr
    assert "evaluation" not in done.stderr
