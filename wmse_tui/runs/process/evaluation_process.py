"""Evaluations after training, as of `wmse-tui eval`: `wmse_tui.engine.commands evaluate`, a process each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import EvaluationError, LaunchError, StorageError
from wmse_tui.runs.process.engine_messages import engine_messages
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.process.launch import start_detached
from wmse_tui.runs.text.sanitize import safe

_LAST = 65536  # bytes at the end of the output, which contain the result
_LINES = 3  # of the output that explain an evaluation without a result


def evaluation_command_line(*arguments: str, python: str | Path = sys.executable) -> list[str]:
    """The command line of an evaluation; the arguments are those of `wmse-tui eval`, the target first."""
    return interpreter_command("wmse_tui.engine.commands", "evaluate", *arguments, python=python)


def neighbours_command_line(target: str, *, python: str | Path = sys.executable) -> list[str]:
    """The command line of a search for neighbours, by a run's directory or a checkpoint file."""
    return interpreter_command("wmse_tui.engine.commands", "neighbours", target, python=python)


@dataclass(frozen=True, slots=True)
class StartedEvaluation:
    """An evaluation that was started, and the file that gets its output."""

    process: subprocess.Popen[bytes]
    output: BinaryIO

    def result(self) -> dict[str, Any]:
        """The fields of the result, once the process has ended; closes the file.

        Raises:
            EvaluationError: it failed; what happened, the evidence and what to do.
        """
        with self.output as output:
            end = output.seek(0, 2)
            output.seek(max(0, end - _LAST))
            lines = output.read().decode("utf-8", "replace").splitlines()
        for found in reversed(list(engine_messages(lines))):
            if isinstance(found.get("result"), dict):
                return dict(found["result"])
            if isinstance(error := found.get("error"), dict):
                steps = error.get("next")
                raise EvaluationError(
                    safe(str(error.get("title", "the evaluation failed"))),
                    safe(str(error.get("detail", ""))),
                    next=tuple(safe(str(step)) for step in steps) if isinstance(steps, list) else (),
                )
        printed = "\n".join(safe(line) for line in lines[-_LINES:] if not any(engine_messages([line])))
        status = self.process.returncode
        raise EvaluationError(f"the evaluation ended with status {status} and no result", printed)


def launch_evaluation(run: RunDirectory, *, python: str | Path = sys.executable) -> StartedEvaluation:
    """Start an evaluation of the final, best or last checkpoint of `run`, and return at once.

    It outlives the process that starts it, and writes its result into the run's `evaluations`.

    Raises:
        LaunchError, StorageError: it cannot be started.
    """
    return _launch(evaluation_command_line(str(run.path), python=python))


def launch_neighbours(run: RunDirectory, *, python: str | Path = sys.executable) -> StartedEvaluation:
    """Start the search for the nearest neighbours of test images, as `launch_evaluation` does.

    It saves them in the run's `artifacts` (`runs/state/neighbour_images.py`).

    Raises:
        LaunchError, StorageError: it cannot be started.
    """
    return _launch(neighbours_command_line(str(run.path), python=python))


def _launch(command: list[str]) -> StartedEvaluation:
    try:
        output = tempfile.TemporaryFile(prefix="wmse-tui-")  # noqa: SIM115 (the result is read later)
    except OSError as error:
        raise StorageError.of(
            "write the output of the evaluation", Path(tempfile.gettempdir()), error
        ) from error
    try:
        process = start_detached(command, os.fdopen(os.dup(output.fileno()), "wb"))
    except OSError as error:
        output.close()
        raise LaunchError(
            "the evaluation cannot be started", f"{command[0]}: {error.strerror or error}"
        ) from error
    return StartedEvaluation(process, output)
