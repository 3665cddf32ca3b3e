"""What the inspector's tests share.

fixture     what it gives
previews    the temporary folder of this process, which is the test's
job         job(ask, **fields) -> Job whose written lines are in `lines`
inspector   an inspector process, the same for the tests of a module: write(line), ask(...), last_line(id)
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

from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.service import child_process
from wmse_tui.engine.service.protocol import Request
from wmse_tui.engine.service.worker import Job

TIMEOUT = 120.0


class RecordingWriter:
    """Replaces the writer of answers."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []

    def write(self, number: int | None, fields: Mapping[str, Any]) -> None:
        self.lines.append({"id": number, **fields})


class Process:
    """An inspector and the lines it has written so far."""

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

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, number: int, ask: str, config: Experiment | str, **fields: object) -> None:
        text = config if isinstance(config, str) else dump_experiment(config)
        self.write(json.dumps({"id": number, "ask": ask, "config": text, **fields}).encode())

    def last_line(self) -> dict[str, Any]:
        """The next line that ends a request; the lines before it are added to `progress`."""
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


@pytest.fixture
def previews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of this process is the test's."""
    folder = tmp_path / "previews"
    folder.mkdir()
    monkeypatch.setattr(child_process, "_folder", folder)
    return folder


@pytest.fixture
def job(previews: Path) -> Callable[..., Any]:
    def make(ask: str = "views", **fields: object) -> Any:
        writer: Any = RecordingWriter()
        made: Any = Job(Request(id=1, ask=ask, config="", fields=fields), writer)
        made.lines = writer.lines
        return made

    return make


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("inspector")
    (folder / "data").mkdir()
    (folder / "tmp").mkdir()
    process = Process(
        {"WMSE_TUI_DATA": str(folder / "data"), "TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"}
    )
    yield process
    assert process.end() == 0
    assert not list((folder / "tmp").iterdir())  # the previews are removed with the process
