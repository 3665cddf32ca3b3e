"""What the app's tests share: an app on a runs folder of its own, runs in every state, a stand-in trainer.

    fixture      what it gives
    runs_root    the folder of runs of this test (not made yet)
    still        the time stands at NOW and this machine is called gpu-a, for states and ages
    make_run     make_run(name, state, ...) -> RunDirectory: a hand-made run with fixed times
    every_state  one run of each state, newest first: the dictionary state -> RunDirectory
    make_app     make_app(run=None, own=False, screen=None, trainer=None, rates=QUICK, **settings)
    standin      an executable that takes the interpreter's place in `launch_trainer`: trains nothing, obeys
    act          await act(pilot, "runs-mark"): press the key of a binding id, which must be active now
    until        await until(pilot, condition): wait for what a thread brings; fails after twenty seconds
    screen_text  screen_text(app) -> str: what stands on the screen now, a line a row, without colours

Every test has its own home, XDG and project folders, no SSH, no NO_COLOR, and lives in UTC.
"""

from __future__ import annotations

import asyncio
import functools
import os
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from events import attempt, checkpoint, diagnostics, epoch, evaluation
from textual.css.query import NoMatches
from textual.pilot import Pilot

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.annotations import Annotations, write_annotations
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import (
    Checkpoint,
    Diagnostics,
    Error,
    Event,
    Exit,
    Notice,
    Phase,
    Record,
    Resources,
    Steps,
)
from wmse_tui.runs.process.evaluation_process import launch_evaluation, launch_neighbours
from wmse_tui.runs.process.identity import Process, TrainerRecord
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.state.config import with_preset
from wmse_tui.runs.state.status import STATUSES
from wmse_tui.tui.app import AppOptions, WmseApp
from wmse_tui.tui.launching import Trainers
from wmse_tui.tui.refresh import RefreshRates
from wmse_tui.tui.saved_state import SavedState
from wmse_tui.tui.screen_names import ScreenName
from wmse_tui.tui.settings import Settings

START = 1_772_366_400.0
"""2026-03-01 12:00:00 UTC: the default start of a hand-made run."""
NOW = START + 3 * 3600
"""What `still` takes the time to be."""
HERE = "gpu-a"
"""The name of this machine under `still`, and the default host of hand-made runs."""
QUICK = RefreshRates("local", poll=0.02, text=0.02, charts=0.02, catalogue=0.04)
"""Refresh rates with which a test need not wait."""


@pytest.fixture(autouse=True)
def _own_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of the person who runs the tests is read or written, and nothing of their terminal matters."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    for name in ("SETTINGS", "THEME", "ASCII", "PROFILE", "MOUSE"):
        monkeypatch.delenv(f"WMSE_TUI_{name}", raising=False)
    for name in ("RUNS", "DATA", "CACHE", "PRESETS", "QUEUE"):
        monkeypatch.setenv(f"WMSE_TUI_{name}", str(tmp_path / name.lower()))
    for name in ("SSH_CONNECTION", "SSH_TTY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def runs_root(tmp_path: Path) -> Path:
    """The folder of this test's runs; it does not exist yet."""
    return tmp_path / "runs"


class _Clock(SimpleNamespace):
    """The module `time`, but for the time."""

    def time(self) -> float:
        return NOW

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is NOW and this machine is HERE wherever states and ages are computed."""
    for module in ("runs.process.liveness", "runs.state.watch", "tui.widgets.runs.ages"):
        monkeypatch.setattr(f"wmse_tui.{module}.time", _Clock())
    monkeypatch.setattr("socket.gethostname", lambda: HERE)


@functools.lru_cache(maxsize=64)
def _config(preset: str, overrides: tuple[str, ...]) -> str:
    return with_preset(dump_experiment(load_experiment(preset=preset, overrides=overrides)), preset)


def history(
    *,
    epochs: int = 4,
    done: int = 4,
    per_epoch: int = 5,
    host: str = HERE,
    knn: float = 0.8125,
    linear: float = 0.875,
    loss: float = 0.4,
) -> list[tuple[float, Event]]:
    """The events of a healthy run, each with its seconds since the run began, up to the end of epoch `done`.

    Args:
        epochs: planned.
        done: completed.
        per_epoch: steps of an epoch, a second each.
        host: where the trainer is.
        knn, linear: accuracies of the last evaluation; there is one after each epoch.
        loss: of the last planned step; it begins at 2.
    """
    total = epochs * per_epoch
    events: list[tuple[float, Event]] = [
        (0, Phase("start")),
        (1, Notice("info", "N_DATA", "5000 of 50000 images are used")),
        (2, attempt(epochs=epochs, steps_per_epoch=per_epoch, host=host)),
        (3, evaluation(0, 0, 0.31, raw_pixels=0.28)),
        (3, Phase("train")),
    ]
    t = 3.0
    for number in range(1, done + 1):
        first, step = (number - 1) * per_epoch + 1, number * per_epoch
        losses = tuple(2 + (loss - 2) * (first + i) / total for i in range(per_epoch))
        rates = tuple(0.003 * (1 - (first + i - 1) / total) for i in range(per_epoch))
        t += per_epoch
        share = number / max(1, done)
        accuracies = (round(0.31 + (knn - 0.31) * share, 6), round(linear * (0.8 + 0.2 * share), 6))
        mean, speed = sum(losses) / per_epoch, 1800.0 + number
        events += [
            (t, Steps(first=first, loss=losses, lr=rates, images_per_second=speed)),
            (t, _diagnostics(number, step, "projector", 32)),
            (t, _diagnostics(number, step, "encoder", 64)),
            (t, Resources(step=step, cpu=1.9, cpu_count=2, memory=6e8, memory_total=16e9)),
            (t, epoch(number, step, loss=mean, seconds=float(per_epoch), images_per_second=speed)),
            (t + 1, evaluation(number, step, *accuracies, top5=0.99)),
            (t + 1, checkpoint(step, f"step-{step:08d}.pt", epoch=number)),
            (t + 1, Phase("train")),
        ]
        t += 1
    return events


def _diagnostics(number: int, step: int, space: str, dim: int) -> Diagnostics:
    return diagnostics(
        step,
        space,
        epoch=number,
        dim=dim,
        spectrum=tuple(4.0 / (rank + 1) for rank in range(dim)),
        effective_rank=dim * 0.7 + number,
        effective_rank_null=dim * 0.93,
        condition_number=40.0 + number,
        smallest_pivot=0.05 if space == "projector" else None,
        feature_std=0.9 / dim**0.5,
        mean_correlation=0.1,
    )


def _ending(state: str, host: str) -> tuple[list[tuple[float, Event]], int]:
    """The log of a run in `state`, and how many epochs of four it has behind it."""
    match state:
        case "new" | "starting":
            return [], 0
        case "completed":
            done = 4
        case "diverged":
            done = 1
        case _:
            done = 2
    events = history(done=done, host=host)
    t = events[-1][0] + 1
    at = {"step": done * 5, "epoch": done, "seconds": t}
    match state:
        case "paused":
            events.append((t, Phase("paused")))
        case "stopped" | "completed":
            events.append((t, Exit(status=state, **at)))  # type: ignore[arg-type]
        case "diverged":
            events.append(
                (
                    t,
                    Error(
                        code="E_NONFINITE", title="the loss is not finite", detail="step 6", stage="training"
                    ),
                )
            )
            events.append((t, Exit(status="diverged", **at)))  # type: ignore[arg-type]
        case "failed":
            events.append(
                (t, Error(code="E_DATA", title="an image cannot be read", detail="7.png", stage="training"))
            )
            events.append((t, Exit(status="failed", **at)))  # type: ignore[arg-type]
    return events, done


MakeRun = Callable[..., RunDirectory]


@pytest.fixture
def make_run(runs_root: Path, still: None) -> Iterator[MakeRun]:
    """Makes a run under `runs_root`, in whatever state, as its trainer and its viewers would have left it.

    make_run(name="small", state="completed", *, preset="quickstart", overrides=(), started=START,
             events=None, host=HERE, tags=(), note="")

    `events` takes the place of the log of that state: pairs of seconds since `started` and event, as
    `history(...)` of this file makes them. `overrides` are those of the command line
    (`method={name: byol}`). `started` also is the age by which lists are sorted. Runs that are being trained
    are locked by the test, which counts as their trainer; the locks go with the test.
    """
    locks: list[RunLock] = []

    def make(
        name: str = "small",
        state: str = "completed",
        *,
        preset: str = "quickstart",
        overrides: Sequence[str] = (),
        started: float | None = None,
        events: Sequence[tuple[float, Event]] | None = None,
        host: str = HERE,
        tags: tuple[str, ...] = (),
        note: str = "",
    ) -> RunDirectory:
        assert state in STATUSES
        run = create_run(runs_root, _config(preset, ("schedule.epochs=4", *overrides)), name=name)
        made, _ = _ending(state, "gpu-b" if state == "unknown" else host)
        timed = made if events is None else list(events)
        if started is None:  # a run that is at work spoke a moment ago; a stalled one half an hour ago
            length = timed[-1][0] if timed else 0
            ago = {"running": 2, "paused": 2, "starting": 2, "stalled": 1800, "unknown": 120}.get(state)
            started = START if ago is None else NOW - ago - length
        lines = [
            encode(Record(1, seq, started + t, 1, event)) + "\n" for seq, (t, event) in enumerate(timed, 1)
        ]
        if lines:
            run.events.write_text("".join(lines))
        for _, event in timed:
            if isinstance(event, Checkpoint) and event.file.isprintable() and "/" not in event.file:
                (run.checkpoints / event.file).touch()
        _say_who(run, state, started)
        if state in ("running", "paused", "stalled"):
            lock = RunLock(run)
            lock.acquire()
            locks.append(lock)
        if tags or note:
            write_annotations(run, Annotations(tags, note))
        os.utime(run.config, (started, started))
        return run

    yield make
    for lock in locks:
        lock.release()


def _say_who(run: RunDirectory, state: str, started: float) -> None:
    from wmse_tui.runs.process import identity

    if state == "starting":
        identity.write_record(run, TrainerRecord(process=None, time=NOW - 5, host=HERE))
    elif state == "crashed":
        identity.write_record(
            run, TrainerRecord(process=Process(77, 1, "b", HERE), time=started, host=HERE, attempt=1)
        )
    elif state == "unknown":
        identity.write_record(
            run, TrainerRecord(process=Process(77, 1, "b", "gpu-b"), time=started, host="gpu-b", attempt=1)
        )


@pytest.fixture
def every_state(make_run: MakeRun) -> dict[str, RunDirectory]:
    """One run of each state but queued, named `run-STATE`; the first is the newest, an hour between two."""
    made: dict[str, RunDirectory] = {}
    for age, state in enumerate(state for state in STATUSES if state != "queued"):
        at_work = state in ("starting", "running", "paused", "stalled", "unknown")
        made[state] = make_run(f"run-{state}", state, started=None if at_work else START - 3600 * age)
        os.utime(made[state].config, (START - 3600 * age,) * 2)
    return made


@pytest.fixture
def standin(tmp_path: Path) -> Path:
    """The trainer of `standin.py`, to be launched in place of the interpreter."""
    path = tmp_path / "standin-trainer"
    source = Path(__file__).with_name("standin.py").read_text()
    path.write_text(f"#!{sys.executable}\n{source}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


MakeApp = Callable[..., WmseApp]


@pytest.fixture
def make_app(runs_root: Path) -> Iterator[MakeApp]:
    """Makes an app on `runs_root`: `async with make_app().run_test(size=(80, 24)) as pilot`.

    `trainer` (see `standin`) is launched where a trainer would be; without it a launch fails the test.
    `evaluator` is launched in place of the interpreter of an evaluation, or of a search for neighbours.
    What was launched is gone after the test. Further keywords are settings (theme, ascii, profile, keys).
    """
    apps: list[WmseApp] = []

    def make(
        *,
        run: RunDirectory | None = None,
        own: bool = False,
        trainer: Path | None = None,
        evaluator: Path | None = None,
        screen: ScreenName | None = None,
        rates: RefreshRates = QUICK,
        problems: tuple[str, ...] = (),
        news: bool = False,
        saved: SavedState | None = None,
        **settings: Any,
    ) -> WmseApp:
        values = {"ascii": False, "profile": "local", **settings}
        app = WmseApp(
            AppOptions(
                runs_root=runs_root,
                run=run,
                own=own,
                screen=screen,
                settings=Settings.model_validate(values),
                problems=problems,
                news=news,
                saved=saved,
            ),
            rates=rates,
            trainers=Trainers(
                runs_root,
                _never if trainer is None else functools.partial(launch_trainer, python=trainer),
                evaluate=functools.partial(launch_evaluation, python=evaluator or "/nothing-here"),
                neighbours=functools.partial(launch_neighbours, python=evaluator or "/nothing-here"),
            ),
        )
        apps.append(app)
        return app

    yield make
    for app in apps:
        for identity in app.services.trainers.processes:
            identity.kill()
            identity.wait()


def _never(run: RunDirectory) -> subprocess.Popen[bytes]:
    raise AssertionError(f"nothing was to be launched, and {run.id} was")


@pytest.fixture
def act() -> Callable[..., Awaitable[None]]:
    """Acts by binding id, so that no test presses a key that has come to do something else."""

    async def press(pilot: Pilot[Any], *bindings: str) -> None:
        for name in bindings:
            active = pilot.app.screen.active_bindings.items()
            found = [key for key, each in active if each.binding.id == name and each.enabled]
            assert found, f"{name} is not active on {pilot.app.screen} with {pilot.app.focused}"
            await pilot.press(found[0])

    return press


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits until a condition holds while the app goes on; one about widgets that are not there does not."""

    def holds(condition: Callable[[], object]) -> bool:
        try:
            return bool(condition())
        except NoMatches:  # a screen is on top before its widgets are
            return False

    async def wait(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not holds(condition):
            assert time.monotonic() < deadline, "the condition never came true"
            await asyncio.sleep(0.01)  # `pilot.pause` would wait for a message of each widget
        await pilot.pause()

    return wait


@pytest.fixture
def screen_text() -> Callable[[WmseApp], str]:
    """Reads the screen as a person would: one line of text for each row."""

    def read(app: WmseApp) -> str:
        rows = app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in rows)

    return read
