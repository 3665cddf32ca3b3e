"""A stand-in for the trainer, a hand-made log, and a command line that runs in process."""

from __future__ import annotations

import functools
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from events import attempt, checkpoint, epoch, evaluation
from typer.testing import CliRunner, Result

from wmse_tui.cli.commands import runs as runs_command
from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import (
    Event,
    Exit,
    Notice,
    Phase,
    Record,
    Steps,
)
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.process.lock import acquire_lock
from wmse_tui.runs.queue import positions, tickets
from wmse_tui.runs.queue.gpu_slots import make_folders, slot_lock
from wmse_tui.runs.state.config import with_preset
from wmse_tui.runs.table.catalogue import list_runs

START = 1_772_366_400.0  # 2026-03-01 12:00:00 UTC

TRAINER = """#!{python}
import os, signal, sys, time
from pathlib import Path
from wmse_tui.runs.process.control import claim, pending
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import *
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS
from wmse_tui.runs.process.identity import write_trainer
from wmse_tui.runs.log.writer import EventWriter

SCENARIO = {scenario!r}
signals = []
signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
if SCENARIO != "unborn":
    signal.signal(signal.SIGTERM, lambda *_: signals.append(1))
run = RunDirectory(Path(sys.argv[-1]))
if SCENARIO == "busy":
    sys.exit(73)
if SCENARIO == "unborn":
    time.sleep(300)
if SCENARIO == "import":
    sys.exit("ModuleNotFoundError: No module named 'torch' \\x1b]0;title\\x07")
lock = RunLock(run)
lock.acquire()
log = EventWriter(run.events)
write_trainer(run, attempt=log.begin_attempt())
log.write(Phase("start"))


def leave(status, code, step=4, epoch=1):
    log.write(Exit(status=status, step=step, epoch=epoch, seconds=1.5))
    log.close()
    sys.exit(code)


if SCENARIO == "no_data":
    log.write(Error(code="E_DATA", title="there is no STL-10", detail="searched /data\\nno network",
                    next=("put stl10_binary.tar.gz there",), stage="start"))
    leave("failed", 1, 0, 0)
if SCENARIO == "defect":
    log.write(Error(code="E_INTERNAL", title="KeyError in the trainer", detail="'x'", stage="start",
                    next=("the traceback is in trainer.log",), traceback="Traceback: KeyError: 'x'"))
    leave("failed", 1, 0, 0)
if SCENARIO == "bad_config":
    log.write(Error(code="E_CONFIG", title="the configuration cannot be used", detail="x", stage="start"))
    leave("failed", 2, 0, 0)
log.write(Attempt(resume_step=0, epochs=2, steps_per_epoch=4, device="CPU", device_reason="asked for",
                  loader="batched", loader_reason="small", train_images=64, train_split="train",
                  parameters=1234567, deterministic=False, exact=True, pid=os.getpid(), host="here"))
if SCENARIO == "bad_images":
    log.write(Error(code="E_DATA", title="an image is smaller than the crop", detail="9 x 9 px",
                    saved="nothing yet", next=("set dataset.eval_resize",), stage="training"))
    leave("failed", 1, 0, 0)
log.write(Phase("train"))
log.write(Steps(first=1, loss=(1.5, 1.25, 1.0, 0.75), lr=(0.001,) * 4, images_per_second=100.0))
log.write(Epoch(epoch=1, step=4, loss=1.125, seconds=1.0, images_per_second=100.0))
if SCENARIO == "killed":
    print("the last output \\x1b[31m", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
if SCENARIO == "diverges":
    log.write(Error(code="E_NONFINITE", title="the loss is not finite", detail="step 5", saved="step-4.pt",
                    next=("a lower learning rate",), stage="training"))
    leave("diverged", 3)
if SCENARIO in ("waits", "deaf", "ahead"):
    end = time.monotonic() + 300
    while time.monotonic() < end:
        for request in pending(run) if SCENARIO != "deaf" else ():
            log.write(Control(request.id, request.command, "accepted", "saving, then leaving"))
            claim(run, request)
            time.sleep({saving})
            leave("stopped", 4, 6 if SCENARIO == "ahead" else 4)
        if signals:
            leave("stopped", 4)
        time.sleep(0.02)
log.write(Steps(first=5, loss=(0.5, 0.5, 0.5, 0.5), lr=(0.001,) * 4, images_per_second=100.0))
log.write(Epoch(epoch=2, step=8, loss=0.5, seconds=1.0, images_per_second=100.0))
log.write(Evaluation(epoch=2, step=8, knn=KnnResult(0.8125, 5, "euclidean"),
                     linear=LinearResult(0.875, 0.99, "adam"),
                     train_split="train", test_split="test", seconds=0.5))
leave("completed", 0, 8, 2)
"""


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Runs, data and caches of a test are in its own folder; times are printed in UTC, tables as a whole."""
    monkeypatch.setenv("WMSE_TUI_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WMSE_TUI_PRESETS", str(tmp_path / "presets"))
    monkeypatch.setenv("WMSE_TUI_QUEUE", str(tmp_path / "queue"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(runs_command, "FIRST_SECONDS", 60.0)  # else a table's widths depend on the load
    yield
    monkeypatch.undo()
    time.tzset()


Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """The command line, run in process: `cli("show", "last")`."""
    from wmse_tui.cli.main import app

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, list(arguments), prog_name="wmse-tui")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def occupied_slot(tmp_path: Path) -> Iterator[None]:
    """No queued run starts during the test, and no process waits after it."""
    make_folders()
    positions.forget()
    slot = acquire_lock(slot_lock("machine"))
    assert slot is not None
    yield
    for run in list_runs(tmp_path / "runs"):
        if tickets.of_run(run) is not None:
            positions.cancel(run)
    os.close(slot)


@pytest.fixture
def standin(tmp_path: Path) -> Callable[..., Path]:
    """Writes a trainer of the given scenario, to be launched in place of the interpreter."""

    def write(scenario: str, *, saving: float = 0.0) -> Path:
        path = tmp_path / f"trainer-{scenario}"
        path.write_text(TRAINER.format(python=sys.executable, scenario=scenario, saving=saving))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


@pytest.fixture
def trainer(standin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the commands of this process launch a trainer of the given scenario."""

    def use(scenario: str, *, saving: float = 0.0) -> None:
        python = standin(scenario, saving=saving)
        monkeypatch.setattr(
            "wmse_tui.runs.process.launch.launch_trainer", functools.partial(launch_trainer, python=python)
        )

    return use


@pytest.fixture
def config_text() -> str:
    """The complete configuration of a small run, with a published number."""
    experiment = load_experiment(
        preset="quickstart",
        overrides=(
            "title=A small run",
            "schedule.epochs=2",
            "paper={linear: 91.55, knn: 89.69, source: Table 1}",
        ),
    )
    return dump_experiment(experiment)


@pytest.fixture
def events() -> tuple[tuple[float, Event], ...]:
    """A short finished run, with the seconds at which each event was logged."""
    return (
        (0, Phase("start")),
        (1, Phase("data")),
        (2, Notice("info", "N_DATA", "5000 of 50000 images are used")),
        (3, attempt(epochs=2)),
        (5, evaluation(0, 0, 0.31, raw_pixels=0.28, seconds=1.5)),
        (6, Phase("train")),
        (7, Steps(first=1, loss=(1.5, 1.25), lr=(0.001, 0.002), images_per_second=1840.0)),
        (8, Steps(first=3, loss=(1.0, 0.75), lr=(0.003, 0.003), images_per_second=1850.0)),
        (9, epoch(1, 4, loss=1.125, seconds=2.0, images_per_second=1845.0)),
        (10, Steps(first=5, loss=(0.5, 0.5, 0.5, 0.25), lr=(0.003,) * 4, images_per_second=1800.0)),
        (11, epoch(2, 8, loss=0.4375, seconds=2.0, images_per_second=1800.0)),
        (14, evaluation(2, 8, 0.8125, 0.875, top5=0.99, seconds=3.0)),
        (15, checkpoint(8, "final.pt", epoch=2, kinds=("final",))),
        (16, Exit(status="completed", step=8, epoch=2, seconds=16.0)),
    )


def as_records(events: tuple[tuple[float, Event], ...]) -> tuple[Record, ...]:
    """The events as the records of a first attempt."""
    return tuple(Record(1, seq, START + t, 1, event) for seq, (t, event) in enumerate(events, 1))


@pytest.fixture
def records(events: tuple[tuple[float, Event], ...]) -> tuple[Record, ...]:
    """The records of the short finished run."""
    return as_records(events)


MakeRun = Callable[..., RunDirectory]


@pytest.fixture
def make_run(tmp_path: Path, config_text: str, events: tuple[tuple[float, Event], ...]) -> MakeRun:
    """Makes a run directory with a hand-made log: the first `upto` events (by default all)."""

    def make(name: str = "small", *, upto: int | None = None, preset: str = "quickstart") -> RunDirectory:
        run = create_run(tmp_path / "runs", with_preset(config_text, preset), name=name)
        lines = [encode(record) + "\n" for record in as_records(events)[:upto]]
        if lines:
            run.events.write_text("".join(lines))
        return run

    return make
