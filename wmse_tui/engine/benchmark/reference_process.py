"""The reference steps in a process of their own, because malloc's settings apply to a whole process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from types import TracebackType

import torch

from wmse_tui.config.loading import dump_experiment, parse_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.paper_reference import ReferenceSteps
from wmse_tui.engine.benchmark.rounds import Stopwatch
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.training.device import choose_device, prepare
from wmse_tui.runs.process.interpreter import interpreter_command

MODULE = "wmse_tui.engine.benchmark.reference_process"


class ReferenceProcess:
    """Runs steps of the paper's implementation on request, and returns their times.

    That process has the default threads of torch and the default malloc of glibc: no `engine.process.settle`.

    Raises:
        EngineError: the process ended.
    """

    def __init__(self, experiment: Experiment) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        self._process = subprocess.Popen(
            interpreter_command(MODULE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._request(json.dumps(dump_experiment(experiment)))

    def step(self) -> float:
        """Seconds of one step."""
        return float(self._request("step"))

    def __enter__(self) -> ReferenceProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()  # it exits at the end of its stdin

    def _request(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            answer = ""
        else:
            answer = self._process.stdout.readline()
        if not answer:
            raise EngineError(
                "the reference could not run a step",
                "its process ended; what it printed is above",
                next=("omit --against", "or use a smaller batch: --set schedule.batch_size=64"),
            )
        return answer


def serve_steps() -> None:
    """Read a configuration as the first line of stdin, and run a step for each further line."""
    stdout = sys.stdout
    with redirect_stdout(sys.stderr):
        experiment = parse_experiment(json.loads(sys.stdin.readline()), "stdin")
        device = choose_device(experiment.compute.first_device).torch
        prepare(device, deterministic=experiment.compute.deterministic)
        steps, watch = ReferenceSteps(experiment, device), Stopwatch(device)
        crop = experiment.dataset.crop
        shape = (experiment.augmentation.views, experiment.schedule.batch_size, 3, crop, crop)
        views = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    print("ready", file=stdout, flush=True)
    for _ in sys.stdin:
        print(watch(lambda: steps.step(views)), file=stdout, flush=True)


if __name__ == "__main__":
    serve_steps()
