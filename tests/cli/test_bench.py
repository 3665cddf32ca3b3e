"""`bench`: a real benchmark of a tiny recipe, as text and as JSON, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wmse_tui.cli.commands.bench import benchmark_text

TINY = (
    "dataset.crop=16",
    "schedule.batch_size=16",
    "method.whitening_size=8",
    "projector.dim=4",
    "projector.hidden=8",
    "compute.device=cpu",
)


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    sets = [argument for key in TINY for argument in ("--set", key)]
    command = [sys.executable, "-m", "wmse_tui", "bench", *sets, "--rounds", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_each_stage_is_measured_beside_the_reference() -> None:
    done = bench(
        "--against", "reference", "--json", "--stage", "input", "--stage", "whitening", "--stage", "step"
    )
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


def test_one_stage_alone_is_printed_as_text() -> None:
    done = bench("--stage", "whitening")
    assert done.returncode == 0, done.stderr
    assert "W-MSE forward and backward, 2 views of 16 x 4, slices of 8, 1 iteration" in done.stdout
    assert "reference" not in done.stdout
    assert done.stderr.splitlines() == ["measuring: whitening"]


def test_a_wrong_recipe_is_refused_before_anything_is_measured() -> None:
    done = bench("--set", "optimiser.lr=1")
    assert done.returncode == 2
    assert "optimiser" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_that_is_not_there_is_refused_with_the_options_of_this_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = bench("--set", "compute.device=cuda", "--stage", "whitening")
    assert done.returncode == 1
    assert "compute.device=cuda cannot be used" in done.stderr
    assert "-> measure on the CPU: --set compute.device=cpu" in done.stderr.splitlines()[-1]
    assert "--device" not in done.stderr
    assert "evaluation" not in done.stderr


def test_an_unforeseen_failure_is_that_of_the_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'benchmark' in sys.orig_argv:\n    os.getloadavg = lambda: 1 / 0\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = bench("--stage", "whitening", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["title"] == "the benchmark failed: ZeroDivisionError"
    assert "the benchmark failed: ZeroDivisionError" in done.stderr
    assert "evaluation" not in done.stderr
