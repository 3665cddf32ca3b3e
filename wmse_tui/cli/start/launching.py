"""From a run directory to a followed trainer, and what is said and removed when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from wmse_tui.cli.commands.app import can_show_app, show_in_app
from wmse_tui.cli.console import UserError, print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.follower import Followed, Follower
from wmse_tui.cli.follow.jsonlines import summary, write_object
from wmse_tui.cli.follow.outcome import print_outcome
from wmse_tui.cli.follow.signals import Signals
from wmse_tui.cli.locating import find_run
from wmse_tui.cli.start.output import choose_display
from wmse_tui.cli.start.queueing import await_turn, print_queued
from wmse_tui.runs.directory import RunDirectory, remove_run
from wmse_tui.runs.errors import RunBusy
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.queue.dependencies import blocking_failure
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.state.watch import view_run

WORKERS_LEAVE_TRIES = 25

Launch = Callable[[RunDirectory], "Popen[bytes]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """How a run is started and shown.

    Now, or when a slot is free and the runs that it comes `after` have completed; followed here or left alone
    at once; for people or for programs.
    """

    headless: bool = False
    detach: bool = False
    as_json: bool = False
    queue: bool = False
    after: tuple[RunDirectory, ...] = ()


def start_options(
    *, headless: bool, detach: bool, as_json: bool, queue: bool, after: Sequence[str], runs_dir: Path | None
) -> StartOptions:
    """The way that options ask for; `--after` alone means the queue.

    Raises:
        RunNotFound: one of the runs that should complete first.
        UserError: one of them will not.
    """
    before = tuple(dict.fromkeys(find_run(text, runs_dir) for text in after))
    for run in before:
        problem = blocking_failure(view_run(run))
        if problem:
            steps = (f"go on with it first: wmse-tui resume {run.id} --queue", "leave the --after away")
            raise UserError(f"nothing can come after {problem}", "", steps)
    return StartOptions(
        headless=headless, detach=detach, as_json=as_json, queue=queue or bool(before), after=before
    )


def start(run: RunDirectory, way: StartOptions, *, fresh: bool, launch: Launch = launch_trainer) -> ExitCode:
    """Start a trainer on `run`, and follow it unless the way is to return at once.

    Args:
        run: a directory whose configuration is complete.
        way: whether to follow, and in which form.
        fresh: the directory was made for this start, and goes again if the run fails before training.
        launch: starts the trainer.
    """
    since = view_run(run).attempt
    with Signals() as signals:  # from before there is a trainer, so that none is left behind unasked
        try:
            trainer = enqueue(run, after=way.after) if way.queue else launch(run)
        except Exception:
            if fresh:
                remove_run(run)
            raise
        if way.queue and not (way.headless or (way.as_json and not way.detach)):
            print_queued(run, trainer, as_json=way.as_json)
            disown(trainer)
            return ExitCode.COMPLETED
        if way.detach:
            return _detached(run, trainer, as_json=way.as_json)
        if way.queue:
            code = await_turn(run, signals, waiting=trainer, fresh=fresh, as_json=way.as_json)
            if code is not None:
                return code
        if not (way.headless or way.as_json) and can_show_app():
            try:
                return show_in_app(run, own=True)
            finally:
                disown(trainer)
        print_message(f"run {run.id} in {run.path} (Ctrl-C saves and stops it)")
        display = choose_display(as_json=way.as_json)
        followed = Follower(run, display, trainer=trainer, stops=True, since=since).follow(signals)
    return conclude(run, followed, fresh=fresh, as_json=way.as_json)


def _detached(run: RunDirectory, trainer: Popen[bytes], *, as_json: bool) -> ExitCode:
    if as_json:
        write_object({"type": "detached", "run": run.id, "path": str(run.path), "pid": trainer.pid})
    else:
        print_data(run.id)
        print_message(f"watch it: wmse-tui attach {run.id}")
    disown(trainer)
    return ExitCode.COMPLETED


def disown(trainer: Popen[bytes]) -> None:
    """A trainer is meant to outlive us: nothing waits for it, and nothing warns of that."""
    if trainer.poll() is None:
        trainer.returncode = 0


def conclude(run: RunDirectory, followed: Followed, *, fresh: bool, as_json: bool) -> ExitCode:
    """Say how the following ended, remove a fresh run that never trained, and return the exit status."""
    code, removed = followed.code, False
    error = followed.view.error
    if fresh and not followed.left and _never_trained(followed):
        removed = True
        if error is not None and error.code == "E_CONFIG":
            code = ExitCode.USAGE
    print_outcome(run, followed, removed=removed, plain=not as_json)
    if as_json:
        write_object(summary(run, followed.view, code, removed=removed))
    if removed:
        _remove(run)
    return code


def _remove(run: RunDirectory) -> None:
    """Remove a run whose trainer has ended; loader workers may hold its lock for a moment longer."""
    for _ in range(WORKERS_LEAVE_TRIES):
        try:
            remove_run(run)
        except RunBusy:
            time.sleep(0.2)
        else:
            return
    print_message(f"note: {run.path} is still in use; remove it with wmse-tui rm {run.id}")


def _never_trained(followed: Followed) -> bool:
    """Tell whether nothing is worth keeping: the run failed, or was interrupted, before its first step."""
    view = followed.view
    if view.step or view.checkpoints or view.evaluations:
        return False
    if view.error is not None:
        return view.error.stage == "start" or followed.code is ExitCode.FAILED
    return followed.died and followed.code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
