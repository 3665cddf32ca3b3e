"""`eval`: the evaluator's JSON lines become narration, a result and an exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_transfer import transfer_result
from typer.testing import Result

from wmse_tui.cli.commands.evaluate import evaluation_text
from wmse_tui.cli.engine_command import run_engine_command
from wmse_tui.cli.exits import ExitCode
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.state.transfer_results import transfer_json

RESULT = {
    "checkpoint": "final.pt",
    "device": "CPU",
    "epoch": 2,
    "knn": {"top1": 0.8125, "k": 5, "metric": "cosine"},
    "linear": {"top1": 0.875, "top5": 0.99, "solver": "lbfgs"},
    "train_split": "train",
    "test_split": "test",
    "seconds": 61.0,
    "file": "/runs/a/evaluations/x.json",
}


def run_evaluator(argv: list[str], *, as_json: bool) -> ExitCode:
    return run_engine_command(argv, what="evaluator", as_json=as_json, lines=evaluation_text)


def evaluator(*lines: object, status: int = 0, stderr: str = "") -> list[str]:
    """A command that prints the lines and ends with the status."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    program = "import sys; print(sys.argv[1]); sys.stderr.write(sys.argv[2]); sys.exit(int(sys.argv[3]))"
    return [sys.executable, "-c", program, text, stderr, str(status)]


def test_a_result_is_printed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    progress = {"progress": {"name": "knn", "done": 1, "total": 4, "unit": "chunks"}}
    argv = evaluator("a library that prints", progress, progress, {"result": RESULT})
    assert run_evaluator(argv, as_json=False) is ExitCode.COMPLETED
    captured = capsys.readouterr()
    assert captured.err == "evaluating: nearest neighbours: 1 of 4 chunks\n"
    assert captured.out.splitlines() == [
        "5-NN (cosine)  81.25 %",
        "linear (lbfgs)  87.50 %  top-5 99.00 %",
        "train -> test, 1 min 01 s",
        "checkpoint  final.pt",
        "device  CPU",
        "file  /runs/a/evaluations/x.json",
    ]


def test_a_result_is_printed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_evaluator(evaluator({"result": RESULT}), as_json=True) is ExitCode.COMPLETED
    assert json.loads(capsys.readouterr().out) == RESULT


@pytest.mark.parametrize(
    ("code", "exit_"),
    [("E_DATA", ExitCode.FAILED), ("E_CONFIG", ExitCode.USAGE), ("E_USAGE", ExitCode.USAGE)],
)
def test_an_error_is_printed_with_its_next_steps(
    code: str, exit_: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {
        "code": code,
        "title": "there are no labels",
        "detail": "in /data",
        "next": ["name a labelled folder"],
    }
    assert run_evaluator(evaluator({"error": error}, status=1), as_json=False) is exit_
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "wmse-tui: there are no labels\n  in /data\n  -> name a labelled folder\n"
    assert run_evaluator(evaluator({"error": error}, status=1), as_json=True) is exit_
    assert json.loads(capsys.readouterr().out) == {"error": error}


def test_an_evaluation_that_dies_is_reported_with_its_last_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = evaluator(status=7, stderr="first\nOutOfMemory \x1b[31m\n")
    assert run_evaluator(argv, as_json=False) is ExitCode.FAILED
    assert capsys.readouterr().err == (
        "wmse-tui: the evaluator ended with status 7 and no result\n  | first\n  | OutOfMemory \\x1b[31m\n"
    )


@pytest.mark.parametrize(
    ("output", "step"),
    [
        (
            "ImportError: libtorch_cpu.so: failed to map segment from shared object",
            "raise the memory limit of the shell or the job: ulimit -v unlimited",
        ),
        (
            "ModuleNotFoundError: No module named 'torch'",
            "`wmse-tui doctor` shows what is missing, and how to install it",
        ),
    ],
)
def test_the_last_output_of_a_process_that_could_not_begin_has_a_next_step(
    capsys: pytest.CaptureFixture[str], output: str, step: str
) -> None:
    assert run_evaluator(evaluator(status=1, stderr=output), as_json=False) is ExitCode.FAILED
    assert capsys.readouterr().err.splitlines()[1:] == [f"  | {output}", f"  -> {step}"]


def test_the_options_reach_the_evaluator(
    cli: Callable[..., Result], make_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def note(argv: list[str], **_: object) -> ExitCode:
        started.append(argv)
        return ExitCode.COMPLETED

    monkeypatch.setattr("wmse_tui.cli.commands.evaluate.run_engine_command", note)
    run = make_run()
    checkpoint = run.checkpoints / "best.pt"
    checkpoint.write_bytes(b"")
    cli("eval", "small", "--knn", "cosine", "--linear", "lbfgs", "--device", "cuda:1")
    cli("eval", str(checkpoint), "--set", "dataset.root=/moved", "--set", "compute.workers=1")
    cli("eval", "small", "--transfer", f"patterns,{run.path}", "--transfer", "cifar10,patterns")
    cli("eval", "small", "--transfer", "patterns", "--fine-tune", "1,10", "--fine-tune-steps", "50")
    module = interpreter_command("wmse_tui.engine.commands", "evaluate")
    assert started == [
        [*module, str(run.path), "--knn", "cosine", "--linear", "lbfgs", "--device", "cuda:1"],
        [*module, str(checkpoint), "--set", "dataset.root=/moved", "--set", "compute.workers=1"],
        [
            *(*module, str(run.path), "--transfer", "patterns"),
            *("--transfer", str(run.path), "--transfer", "cifar10"),
        ],
        [
            *(*module, str(run.path), "--transfer", "patterns"),
            *("--fine-tune", "1,10", "--fine-tune-steps", "50"),
        ],
    ]


def test_wrong_targets_and_options_are_refused_before_anything_starts(cli: Callable[..., Result]) -> None:
    missing = cli("eval", "nowhere/best.pt")
    assert missing.exit_code == 2
    assert "there is no checkpoint nowhere/best.pt" in missing.stderr
    assert cli("eval", "last", "--knn", "manhattan").exit_code == 2


def test_unknown_transfer_sets_are_refused_before_anything_starts(
    cli: Callable[..., Result], make_run: Callable[..., RunDirectory]
) -> None:
    make_run()
    refused = cli("eval", "small", "--transfer", "cifr10,patterns")
    assert refused.exit_code == 2
    assert "did you mean cifar10?" in refused.stderr
    for percents, steps in (("0,10", "5"), ("ten", "5"), ("10", "0")):
        options = ("--transfer", "patterns", "--fine-tune", percents, "--fine-tune-steps", steps)
        assert cli("eval", "small", *options).exit_code == 2


def test_transfer_is_printed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    per_class = replace(transfer_result("/my/flowers", 0.5), metric="mean_per_class", damaged=2)
    result = {
        "transfer": transfer_json((transfer_result("patterns"), per_class)),
        "checkpoint": "final.pt",
        "device": "CPU",
        "unsaved": "/runs/a: read-only",
    }
    assert run_evaluator(evaluator({"result": result}), as_json=False) is ExitCode.COMPLETED
    assert capsys.readouterr().out.splitlines() == [
        "transfer (%)  linear       95 %   5-NN  20-NN weighted  classes  images",
        "Patterns       62.50  59.4-65.6  56.25           59.38        8  train (2,000) -> test (1,000)",
        "Flowers *      50.00  46.9-53.1  43.75           46.88        8  train (2,000) -> test (1,000)",
        "",
        "images a class (%)             1             5  10    ECE  scaled  temperature",
        "Patterns            37.50 ± 3.12  50.00 ± 3.12   -  12.50    3.12          1.5",
        "Flowers *           25.00 ± 3.12  37.50 ± 3.12   -  12.50    3.12          1.5",
        "",
        "fine-tuned on        labels  accuracy (%)       95 %  steps",
        "Patterns       12.5 % (250)         56.25  53.1-59.4    300",
        "Flowers *      12.5 % (250)         43.75  40.6-46.9    300",
        "linear: logistic regression on the frozen features; 95 %: its interval",
        "5-NN: majority of 5 neighbours; 20-NN: 20 votes weighted by cosine",
        "images a class: few-shot, a linear probe of so many labelled images each",
        "ECE: calibration error, confidence against accuracy; 0 is best",
        "scaled: the same with the logits divided by the temperature",
        "fine-tuned on: the whole encoder trained on that share of the labels",
        "* mean per class",
        "Flowers: 2 images left out: unreadable",
        "checkpoint  final.pt",
        "device  CPU",
        "unsaved  /runs/a: read-only",
    ]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)]
)
@pytest.mark.parametrize("first", ["command", "engine"])
def test_an_interrupted_evaluation_ends_its_process(
    tmp_path: Path, number: signal.Signals, code: int, first: str
) -> None:
    pid_file = tmp_path / "pid"
    # In short sleeps: Python's handler may run just before a sleep, which then lasts to its end.
    sleep = (
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n"
        "for _ in range(6000): time.sleep(0.05)"
    )
    sleeper = [sys.executable, "-c", sleep]
    program = (
        "import sys, typer\n"
        "from wmse_tui.cli.exception_handler import handle_exceptions\n"
        "from wmse_tui.cli.engine_command import run_engine_command\n"
        "try:\n"
        "    with handle_exceptions():\n"
        "        code = run_engine_command(sys.argv[1:], what='sleeper', as_json=False, lines=str.split)\n"
        "        raise typer.Exit(code)\n"
        "except typer.Exit as leaving: sys.exit(leaving.exit_code)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, *sleeper], start_new_session=True)
    end = time.monotonic() + 60
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(process.pid if first == "command" else int(pid_file.read_text()), number)
    assert process.wait(60) == code
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
