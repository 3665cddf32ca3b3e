"""What the inspector's tests share.

fixture     what it gives
tiny        tiny("key=value", ...) -> Experiment: a CIFAR ResNet-8 on 96 patterns
job         job(ask, **fields) -> Job that remembers in `lines` what was said of it
shelf       a Shelf of this test's own; the temporary folder of the process is the test's too
inspector   an inspector process, the same for the tests of a module: say(line), ask(...), last_line(id)
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.profiling.image_cache import ImageCache
from wmse_tui.engine.service import child_process
from wmse_tui.engine.service.protocol import Request
from wmse_tui.engine.service.worker import Job

TINY = (
    "seed=7",
    "dataset.train_images=96",
    "dataset.test_images=40",
    "dataset.crop=16",
    "projector.hidden=16",
    "projector.dim=4",
    "method.whitening_size=8",
    "schedule.batch_size=16",
    "schedule.epochs=3",
    "schedule.kind=constant",
    "schedule.warmup_steps=2",
    "compute.device=cpu",
)
TIMEOUT = 120.0


class Remembering:
    """Takes the place of the way out."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []

    def write(self, number: int | None, fields: Mapping[str, Any]) -> None:
        self.lines.append({"id": number, **fields})


class Process:
    """An inspector and what it has said so far."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "wmse_tui.engine.inspect", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self.progress: list[dict[str, Any]] = []
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        self.errors = b""
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def say(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, number: int, ask: str, config: Experiment | str, **fields: object) -> None:
        text = config if isinstance(config, str) else dump_experiment(config)
        self.say(json.dumps({"id": number, "ask": ask, "config": text, **fields}).encode())

    def last_line(self) -> dict[str, Any]:
        """The next line that ends a request; progress is put aside."""
        while True:
            line: dict[str, Any] = json.loads(self._lines.get(timeout=TIMEOUT))
            if "progress" not in line:
                return line
            self.progress.append(line)

    def ask(self, number: int, ask: str, config: Experiment | str, **fields: object) -> dict[str, Any]:
        self.send(number, ask, config, **fields)
        line = self.last_line()
        assert line["id"] == number
        return line

    def end(self) -> int:
        """Close its stdin; returns its status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        status = self.process.wait(TIMEOUT)
        for thread in self._threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return status


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Experiment]:
    def make(*overrides: str) -> Experiment:
        other_method = any(o.startswith("method.name=") and o != "method.name=w_mse" for o in overrides)
        base = [o for o in TINY if not (other_method and o.startswith("method."))]
        return load_experiment(preset="quickstart", overrides=(*base, *overrides))

    return make


@pytest.fixture
def job() -> Callable[..., Any]:
    def make(ask: str = "views", **fields: object) -> Any:
        remembering: Any = Remembering()
        made: Any = Job(Request(id=1, ask=ask, config="", fields=fields), remembering)
        made.lines = remembering.lines
        return made

    return make


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageCache:
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path / "data"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    monkeypatch.setattr(child_process, "_folder", folder)
    return ImageCache()


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    place = tmp_path_factory.mktemp("inspector")
    (place / "data").mkdir()
    (place / "tmp").mkdir()
    process = Process(
        {"WMSE_TUI_DATA": str(place / "data"), "TMPDIR": str(place / "tmp"), "OMP_NUM_THREADS": "1"}
    )
    yield process
    assert process.end() == 0
    assert not list((place / "tmp").iterdir())  # the pictures went with the process
