"""`doctor` on software: versions, presets, and torch with its devices (in a process of its own)."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from wmse_tui import __version__
from wmse_tui.cli.checks.finding import Finding, Status
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.text.units import count, size

TORCH_SECONDS = 180.0
LEAST_TORCH = (2, 10)
PACKAGES = ("numpy", "pillow", "pydantic", "pyyaml", "typer", "rich")


def python_findings() -> Iterator[Finding]:
    """Yield the interpreter, this program and the packages it needs outside the engine."""
    supported = sys.version_info >= (3, 11)
    yield Finding(
        "python",
        "ok" if supported else "fail",
        f"{platform.python_version()} in {sys.executable}",
        "" if supported else "Python 3.11 or newer is needed",
    )
    yield Finding("wmse-tui", "ok", __version__)
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding(
            "packages", "fail", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}"
        )
    else:
        yield Finding("packages", "ok", ", ".join(found))


def preset_findings() -> Iterator[Finding]:
    """Yield whether every preset can be read."""
    from wmse_tui.config.loading import find_preset, preset_names
    from wmse_tui.config.problems import ConfigError

    good, problems = 0, []
    for name in preset_names():
        try:
            find_preset(name)
            good += 1
        except ConfigError as error:
            problems += [problem.text() for problem in error.problems]
    if problems:
        yield Finding("presets", "warn", "; ".join(problems), "fix or remove that file")
    elif good:
        yield Finding("presets", "ok", f"{count(good, 'preset')} can be read")
    else:
        yield Finding(
            "presets", "fail", "no preset was found", "the installation is incomplete: install it again"
        )


def torch_findings(argv: list[str] | None = None) -> Iterator[Finding]:
    """Yield torch, CUDA and each device.

    Args:
        argv: a command that prints the report of `wmse_tui.engine.doctor`; None: that module itself.
    """
    argv = argv or interpreter_command("wmse_tui.engine.doctor")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TORCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        yield Finding(
            "torch",
            "fail",
            f"did not answer within {TORCH_SECONDS:.0f} s",
            "a driver that hangs blocks every program that uses it; `nvidia-smi` should answer at once",
        )
        return
    try:
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = ([line for line in done.stderr.splitlines() if line.strip()] or ["it printed nothing"])[-1]
        yield Finding(
            "torch",
            "fail",
            f"cannot be used (status {done.returncode}): {last}",
            "install torch and torchvision again",
        )
        return
    yield from _report_findings(report)


def _report_findings(report: dict[str, Any]) -> Iterator[Finding]:
    yield Finding(
        "torch",
        "ok",
        f"{report['torch']}, torchvision {report['torchvision']}, {count(report['threads'], 'CPU thread')}",
    )
    if _version(str(report["torch"])) < LEAST_TORCH:
        # Loading weights could be made to run code before: CVE-2025-32434, CVE-2026-24747.
        least = ".".join(map(str, LEAST_TORCH))
        yield Finding(
            "torch version", "fail", f"torch {least} or newer is needed", f"pip install 'torch>={least}'"
        )
    cuda = report["cuda"]
    if cuda["usable"]:
        yield Finding("cuda", "ok", cuda["text"])
    else:
        # Without a GPU, training uses the CPU; with one, something prevents its use.
        status: Status = "ok" if cuda["reason"] == "no_card" else "warn"
        yield Finding("cuda", status, f"not usable: {cuda['text']}", cuda["fix"])
    for device in report["devices"]:
        free = "" if device["free_bytes"] is None else f", {size(device['free_bytes'])} free"
        memory = f"{size(device['memory_bytes'])}{free}"
        text = f"{device['name']}, {memory}, compute capability {device['capability']}"
        usable = device["kernel"] == "ok"
        yield Finding(
            f"cuda:{device['index']}",
            "ok" if usable else "warn",
            text + (", a kernel runs" if usable else f"; no kernel runs: {device['kernel']}"),
            "" if usable else "hide it with CUDA_VISIBLE_DEVICES, or install a torch build that supports it",
        )


def _version(text: str) -> tuple[int, ...]:
    """The numbers of "2.11.0+cu128" as far as they go: (2, 11)."""
    numbers = re.match(r"(\d+)\.(\d+)", text)
    return tuple(map(int, numbers.groups())) if numbers else LEAST_TORCH
