"""The inspector as a process: every request is answered, whatever else its input is."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.service import server
from wmse_tui.engine.service.protocol import AnswerWriter
from wmse_tui.engine.service.server import Service, error_fields

Tiny = Callable[..., Experiment]


def test_loading_torch_is_reported_before_the_first_answer(inspector: Any, tiny: Tiny) -> None:
    answer = inspector.ask(1, "views", tiny(), images=2, views=3)
    assert inspector.progress[0] == {
        "id": 1,
        "progress": {"name": "loading torch", "done": 0, "total": 0, "unit": ""},
    }
    path = Path(answer["path"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with Image.open(path) as picture:
        assert picture.size == (4 * 16, 2 * 16)


def test_each_kind_of_request_has_its_answer(inspector: Any, tiny: Tiny) -> None:
    experiment = tiny()
    assert inspector.ask(11, "describe", experiment)["answer"] == "describe"
    assert inspector.ask(12, "views", experiment)["answer"] == "views"
    measured = inspector.ask(13, "measure", experiment, seconds=300)
    assert measured["answer"] == "measure"
    assert {line["progress"]["name"] for line in inspector.progress if line["id"] == 13} >= {
        "warming up",
        "measuring",
        "measuring an evaluation",
    }


def test_a_line_that_is_no_request_is_answered_and_the_next_one_too(inspector: Any, tiny: Tiny) -> None:
    inspector.write(b"garbage")
    assert inspector.last_line() == {
        "id": None,
        "error": {
            "title": "a line is not JSON",
            "detail": "Expecting value: line 1 column 1 (char 0)",
            "next": [],
        },
    }
    inspector.write(b'{"id": 21, "ask": "train"}')
    assert inspector.last_line()["error"]["title"] == "there is no request 'train'"
    assert inspector.ask(22, "views", tiny())["answer"] == "views"


def test_all_problems_of_a_wrong_configuration_are_reported(inspector: Any, tiny: Tiny) -> None:
    text = dump_experiment(tiny()).replace("epochs: 3", "epochs: 0")
    error = inspector.ask(31, "describe", text)["error"]
    assert error["title"] == "this configuration cannot be run"
    assert "traceback" not in error
    [problem] = error["problems"]
    assert problem["path"] == "schedule.epochs"
    text = dump_experiment(tiny()).replace("whitening_size: 8", "whitening_size: 3")
    error = inspector.ask(32, "describe", text)["error"]
    assert [problem["path"] for problem in error["problems"]] == [
        "method.whitening_size",
        "schedule.batch_size",
    ]
    assert error["next"] == ["use more than 4; the paper uses 8", "use 15 or 18"]


def test_a_replaced_or_cancelled_request_is_reported_as_cancelled(inspector: Any, tiny: Tiny) -> None:
    slow = tiny("dataset.crop=32", "schedule.batch_size=96", "backbone.arch=cifar_resnet56")
    inspector.send(41, "measure", slow, seconds=600)
    inspector.send(42, "measure", slow, seconds=600)
    assert inspector.last_line() == {"id": 41, "cancelled": True}
    assert inspector.ask(43, "views", tiny())["answer"] == "views"  # beside the measurement
    inspector.write(b'{"id": 42, "ask": "cancel"}')
    assert inspector.last_line() == {"id": 42, "cancelled": True}


def test_where_torch_is_broken_every_answer_is_the_reason(tmp_path: Path, tiny: Tiny) -> None:
    (tmp_path / "torch.py").write_text("print('noise')\nraise OSError('libtorch_cpu.so: cannot open')\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['inspect'];"
        "from wmse_tui.engine.inspect import main; main([])"
    )
    line = {"id": 1, "ask": "describe", "config": dump_experiment(tiny())}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(line).encode() + b"\n")
        process.stdin.flush()
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        _, errors = process.communicate()
    assert lines[0]["progress"]["name"] == "loading torch"
    error = lines[1]["error"]
    assert error["title"] == "torch cannot be loaded"
    assert error["detail"] == f"OSError: libtorch_cpu.so: cannot open ({sys.executable})"
    assert error["next"][1] == "`wmse-tui doctor` shows what is installed"
    assert b"noise" in errors  # what a library prints is no line of the protocol


def test_its_priority_is_low(inspector: Any) -> None:
    inspector.write(b"garbage")
    inspector.last_line()  # it has started
    ours, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, inspector.process.pid))
    assert its == min(19, ours + 10)
    assert Path(f"/proc/{inspector.process.pid}/oom_score_adj").read_text() == "800\n"


def test_an_error_is_reported_by_its_kind(capfd: pytest.CaptureFixture[str]) -> None:
    known = error_fields(EngineError("no", "because", next=("do",)))
    assert known == {"title": "no", "detail": "because", "next": ["do"]}
    assert error_fields(MemoryError())["title"] == "not enough memory"
    full = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    assert error_fields(full)["title"] == "not enough memory"
    assert capfd.readouterr().err == ""
    unforeseen = error_fields(KeyError("x"))
    assert unforeseen["title"] == "KeyError in the inspector"
    assert unforeseen["detail"] == "'x'"
    assert unforeseen["traceback"].endswith("KeyError: 'x'\n")
    assert capfd.readouterr().err == unforeseen["traceback"]


def test_after_a_measurement_on_a_gpu_it_ends_once_it_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    naps = 0

    class Measured(Service):
        def idle(self) -> bool:
            return naps > 2

        def gpu_used(self) -> bool:
            return naps > 1

    def nap(seconds: float) -> None:
        nonlocal naps
        naps += 1

    monkeypatch.setattr(server, "time", SimpleNamespace(sleep=nap, monotonic=lambda: 1000.0 * naps))
    monkeypatch.setattr(server, "os", SimpleNamespace(kill=lambda *call: sent.append(call), getpid=os.getpid))
    server.free_gpu(Measured(AnswerWriter(io.BytesIO())))
    assert sent == [(os.getpid(), signal.SIGTERM)]
    assert naps == 3
