"""The lines of a command of the engine: progress, one result or one error, and what its errors advise."""

from __future__ import annotations

import ast
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from wmse_tui.cli.main import app
from wmse_tui.engine import jsonl
from wmse_tui.engine.benchmark.stages import COMMAND as BENCHMARK
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.evaluation.checkpoint_evaluation import COMMAND as EVALUATION
from wmse_tui.engine.jsonl import (
    PROGRESS_SECONDS,
    Command,
    Write,
    error_object,
    keys_in,
    options_in,
    progress_lines,
    run_command,
)

COMMANDS = {"eval": EVALUATION, "bench": BENCHMARK}
COMMAND = Command(name="trial", options=frozenset({"--depth"}))


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@cache
def options_of(name: str) -> frozenset[str]:
    """What `wmse-tui NAME --help` lists."""
    group: Any = typer.main.get_command(app)
    return frozenset(option for parameter in group.commands[name].params for option in parameter.opts)


@cache
def advice() -> frozenset[str]:
    """Every text of the engine that names an option: what a next step is written as."""
    package = Path(str(jsonl.__file__)).parent
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py")))
    texts: Iterator[ast.expr] = (
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.expr)
    )
    found = set()
    for node in texts:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
            found.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.add("".join(str(part.value) for part in node.values if isinstance(part, ast.Constant)))
    return frozenset(text for text in found if options_in(text) and " " in text)


def failures() -> Iterator[Exception]:
    """Exceptions of every kind that a command can end with, and every advice of the engine."""
    for text in (
        "CUDA error: out of memory",
        "DefaultCPUAllocator: can't allocate memory",
        "unable to write to file </torch_1>",
        "DataLoader worker (pid 1) is killed",
        "Found no NVIDIA driver",
        "CUDA error: an illegal memory access",
        "PytorchStreamReader failed",
    ):
        yield RuntimeError(text)
    for number in (errno.ENOSPC, errno.EFBIG, errno.EACCES, errno.EIO, errno.ENOENT):
        yield OSError(number, os.strerror(number), "/nowhere")
    yield torch.OutOfMemoryError("full")
    yield MemoryError()
    yield from (EngineError("no", next=(text,)) for text in sorted(advice()))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_a_command_are_those_of_its_command_line(name: str) -> None:
    assert COMMANDS[name].options <= options_of(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_error_of_a_command_advises_an_option_that_it_does_not_have(name: str) -> None:
    wrong = [
        (error, step)
        for error in failures()
        for step in error_object(error, COMMANDS[name])["next"]
        if not options_in(step) <= options_of(name)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_error_of_a_command_advises_a_set_that_it_refuses(name: str) -> None:
    """`eval --set` is for what changes no number."""
    keys = COMMANDS[name].keys
    advised = {
        key
        for error in failures()
        for step in error_object(error, COMMANDS[name])["next"]
        for key in keys_in(step)
    }
    assert "dataset.root" in advised
    assert keys is None or advised <= set(keys)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_error_of_a_command_speaks_of_training_a_run(name: str) -> None:
    wrong = [
        step
        for error in failures()
        for step in error_object(error, COMMANDS[name])["next"]
        if "resume the run" in step or "start the run" in step or "train on" in step or "new run with" in step
    ]
    assert wrong == []


def test_the_advice_of_the_engine_is_found() -> None:
    found = advice()
    assert any("--set compute.device=cpu" in text for text in found)
    assert any("--set dataset.download=true" in text for text in found)


def test_options_are_found_in_a_text() -> None:
    assert options_in("pass --set a=b, or --no-x; a container needs --ipc=host -- then") == {
        "--set",
        "--no-x",
    }
    assert options_in("a well--known word, -x") == set()


def test_a_step_is_worded_for_the_command_or_left_out() -> None:
    command = Command(
        name="trial", options=frozenset({"--depth"}), wording={"with --width 3": "with --depth 3", "sing": ""}
    )
    error = EngineError("no", "because", next=("try with --width 3", "sing", "--width 4", "look --depth"))
    assert error_object(error, command) == {
        "code": "E_INTERNAL",
        "title": "no",
        "detail": "because",
        "next": ["try with --depth 3", "look --depth"],
    }


def test_an_unforeseen_failure_is_that_of_the_command_and_its_traceback_goes_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(_write: Write) -> dict[str, Any]:
        print("a library that prints")
        raise ZeroDivisionError("by nothing")

    assert run_command(COMMAND, work) == 1
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert error == {
        "code": "E_INTERNAL",
        "title": "the trial failed: ZeroDivisionError",
        "detail": "by nothing",
        "next": [],
    }
    assert "a library that prints" in captured.err
    assert "Traceback" in captured.err


def test_progress_and_the_result_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def work(write: Write) -> dict[str, Any]:
        progress_lines(write)("features", 1, 2, "images")
        return {"answer": 42}

    assert run_command(COMMAND, work) == 0
    assert lines_of(capsys) == [
        {"progress": {"name": "features", "done": 1, "total": 2, "unit": "images"}},
        {"result": {"answer": 42}},
    ]


def test_an_interrupt_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_write: Write) -> dict[str, Any]:
        raise KeyboardInterrupt

    assert run_command(COMMAND, work) == 130
    assert lines_of(capsys) == []


@pytest.mark.parametrize("ending", ["return {}", "raise ValueError"])
def test_a_reader_that_ends_early_is_no_traceback(ending: str) -> None:
    program = (
        "import sys\n"
        "from wmse_tui.engine.jsonl import Command, run_command\n"
        "def work(write):\n"
        "    sys.stdin.readline()\n"
        f"    {ending}\n"
        "sys.exit(run_command(Command(name='trial', options=frozenset()), work))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        errors = process.stderr.read().decode()
    assert process.returncode == 1
    assert "BrokenPipeError" not in errors


def test_progress_is_the_first_and_last_of_each_part_and_not_too_often_in_between() -> None:
    reported: list[tuple[str, float]] = []
    now = 0.0

    def write(fields: Mapping[str, Any]) -> None:
        reported.append((fields["progress"]["name"], fields["progress"]["done"]))

    progress = progress_lines(write, clock=lambda: now)
    for name in ("features", "knn"):
        for done in range(1, 101):
            now += PROGRESS_SECONDS / 40
            progress(name, done, 100, "images")

    assert reported == [(name, done) for name in ("features", "knn") for done in (1, 41, 81, 100)]
