"""From a run directory to a followed trainer: new runs, runs that exist already, and how each ends."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import Popen

import typer

from wmse_tui.cli.commands.app import can_show_app, show_in_app
from wmse_tui.cli.console import UserError, print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.follower import Display, Followed, Follower
from wmse_tui.cli.follow.jsonlines import summary, write_object
from wmse_tui.cli.follow.outcome import print_outcome, result_lines
from wmse_tui.cli.follow.signals import Signals
from wmse_tui.cli.locating import find_run
from wmse_tui.cli.start.job_submission import job_options, submit_job
from wmse_tui.cli.start.launched import become_rank
from wmse_tui.cli.start.queueing import await_turn, print_queued
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunBusy
from wmse_tui.runs.followers import Target, note_follower, require_package
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.preflight import check_runs_dir
from wmse_tui.runs.process import launch
from wmse_tui.runs.process.launch import disown
from wmse_tui.runs.process.liveness import gather_evidence, judged_by_log, patience
from wmse_tui.runs.process.rebind import rebind_run
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.queue.dependencies import blocking_failure
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.slurm import JobOptions
from wmse_tui.runs.state.config import load_configuration
from wmse_tui.runs.state.configuration_check import require_same_configuration
from wmse_tui.runs.state.lost_work import work_lost_by_resuming
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import TRAINING
from wmse_tui.runs.state.watch import RunWatcher, view_run
from wmse_tui.runs.text.units import duration

HAS_TRAINER = TRAINING | {"unknown"}
"""Statuses of a run that is not started again. "starting" is left out: the run lock decides whether that
start succeeded."""
POLL_SECONDS = 0.5
SPARE_SECONDS = 2.0
REMOVE_TRIES = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """How a run is started and shown.

    Args:
        headless: follow it in this terminal, without the app.
        detach: return at once.
        as_json: print JSON lines.
        queue: start when a slot is free.
        after: runs that must complete first.
        yes: do not ask.
        publish: where the run's numbers are sent.
        slurm: how it is submitted as a job; None: it is not.
    """

    headless: bool = False
    detach: bool = False
    as_json: bool = False
    queue: bool = False
    after: tuple[RunDirectory, ...] = ()
    yes: bool = False
    publish: tuple[Target, ...] = ()
    slurm: JobOptions | None = None

    @property
    def followed(self) -> bool:
        """Whether the trainer is started now, and followed in this terminal or shown in the app."""
        return not (self.detach or self.queue or self.slurm)


def start_options(
    *,
    headless: bool,
    detach: bool,
    as_json: bool,
    queue: bool,
    after: Sequence[str],
    runs_dir: Path | None,
    yes: bool = False,
    publish: Sequence[str] = (),
    slurm: bool = False,
    slurm_options: Sequence[str] = (),
) -> StartOptions:
    """Return the options of a command line; `--after` alone implies the queue.

    Raises:
        SchedulerError: an option of a job is none.
        PublishError: a target makes no sense, or its package is missing.
        RunNotFound: one of the runs that must complete first does not exist.
        UserError: one of them cannot complete any more.
    """
    if slurm and (headless or detach or queue or after):
        raise UserError(
            "--slurm excludes --headless, --detach, --queue and --after",
            "A job is submitted and not followed.",
            ("watch it once it runs: wmse-tui attach RUN",),
        )
    if slurm_options and not slurm:
        raise UserError("--slurm-option needs --slurm", "It is an option of the job that --slurm submits.")
    targets = tuple(map(Target.parse, publish))
    for target in targets:
        require_package(target)
    before = tuple(dict.fromkeys(find_run(text, runs_dir) for text in after))
    for run in before:
        watcher = RunWatcher(run)
        problem = blocking_failure(watcher, watcher.poll())
        if problem:
            steps = (f"resume it first: wmse-tui resume {run.id} --queue", "omit that --after")
            raise UserError(f"nothing can come after {problem}", "", steps)
    return StartOptions(
        headless=headless,
        detach=detach,
        as_json=as_json,
        queue=queue or bool(before),
        after=before,
        yes=yes,
        publish=targets,
        slurm=job_options(slurm_options) if slurm else None,
    )


def start(run: RunDirectory, options: StartOptions, *, fresh: bool) -> ExitCode:
    """Start a trainer on `run`, and follow it unless the options say to return at once.

    Args:
        run: a directory whose configuration is complete.
        options: whether to queue and to follow, and what to print.
        fresh: the directory was created for this start, and is removed if the run fails before training.
    """
    since = view_run(run).attempt
    with Signals() as signals:  # installed before there is a trainer, so that a signal cannot orphan it
        try:
            for target in options.publish:
                note_follower(run, target)
            if options.slurm is not None:
                return submit_job(run, options.slurm, yes=options.yes, as_json=options.as_json)
            if options.queue:
                trainer = enqueue(run, after=options.after)
            else:
                trainer = launch.launch_trainer(run, launched=options.followed)
        except Exception:
            if fresh:
                remove_run(run)
            raise
        if options.queue and not (options.headless or (options.as_json and not options.detach)):
            print_queued(run, trainer, as_json=options.as_json)
            disown(trainer)
            return ExitCode.COMPLETED
        if options.detach:
            return _detach(run, trainer, as_json=options.as_json)
        if options.queue:
            code = await_turn(run, signals, waiting=trainer, fresh=fresh, as_json=options.as_json)
            if code is not None:
                return code
        if not (options.headless or options.as_json) and can_show_app():
            try:
                return show_in_app(run, own=True)
            finally:
                disown(trainer)
        print_message(f"run {run.id} in {run.path} (Ctrl-C saves and stops it)")
        display = choose_display(as_json=options.as_json)
        followed = Follower(run, display, trainer=trainer, stops=True, since=since).follow(signals)
    return conclude(run, followed, fresh=fresh, as_json=options.as_json)


def _detach(run: RunDirectory, trainer: Popen[bytes], *, as_json: bool) -> ExitCode:
    if as_json:
        write_object({"type": "detached", "run": run.id, "path": str(run.path), "pid": trainer.pid})
    else:
        print_data(run.id)
        print_message(f"watch it: wmse-tui attach {run.id}")
    disown(trainer)
    return ExitCode.COMPLETED


def choose_display(*, as_json: bool) -> Display:
    """Return the display for this process's stdout: JSON lines, live on a terminal, or plain lines."""
    if as_json:
        from wmse_tui.cli.follow.jsonlines import JsonDisplay

        return JsonDisplay()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from wmse_tui.cli.follow.live import LiveDisplay

        return LiveDisplay()
    from wmse_tui.cli.follow.plain import PlainDisplay

    return PlainDisplay()


# Runs that exist


def resume_named(run: RunDirectory, wanted: Experiment, options: StartOptions) -> ExitCode:
    """Resume `run`, which has the requested name, if it has the wanted configuration too.

    Raises:
        OtherConfiguration: its configuration is another.
        UserError: it is being trained (exit code 73).
    """
    require_same_configuration(run, wanted)
    return resume_run(run, options)


def resume_run(run: RunDirectory, options: StartOptions, overrides: Sequence[str] = ()) -> ExitCode:
    """Start another attempt at `run` unless it is completed or being trained.

    Args:
        run: a run.
        options: how it is started and shown.
        overrides: what binds it to a machine, given anew (`rebind_run`).

    Raises:
        NotARun, ForeignRun: it is a link, or another user's.
        ConfigError: its configuration is damaged, or `overrides` change more than the machine.
        UserError: it is being trained (exit code 73).
    """
    become_rank(run, followed=options.followed)
    require_own(run)
    load_configuration(run)  # damage is reported here, not by a trainer that fails
    watcher = RunWatcher(run)
    state = watcher.poll()
    if state.status == "completed":
        print_message(f"{run.id} has completed; there is nothing left to do.")
        if options.as_json:
            write_object(summary(run, state, ExitCode.COMPLETED))
        else:
            for line in result_lines(run, state):
                print_data(line)
        return ExitCode.COMPLETED
    if watcher.crash_unconfirmed or (state.status in HAS_TRAINER and judged_by_log(run)):
        state = _watch_log(watcher, state)
    if state.status in HAS_TRAINER:
        host = f"its trainer runs on {state.setup.host}" if state.setup is not None else ""
        raise UserError(
            f"{run.id} is {state.status} already",
            state.status_reason or host,
            (f"watch it: wmse-tui attach {run.id}", f"stop it: wmse-tui stop {run.id}"),
            ExitCode.BUSY,
        )
    note = check_runs_dir(run.path)
    if note:
        print_message(f"note: {note}")
    confirm_lost_work(run, state, yes=options.yes)
    if overrides:
        rebind_run(run, overrides)
    return start(run, options, fresh=False)


def confirm_lost_work(run: RunDirectory, state: RunState, *, yes: bool) -> None:
    """Print what a run does again because its checkpoints are not there; ask before all of it is.

    A script is not asked. One whose run had saved no checkpoint yet continues, so that a scheduler may start
    a killed job again at any time.

    Args:
        run: is not being trained.
        state: its state.
        yes: do not ask.

    Raises:
        Abort: the answer was no.
        UserError: there is no terminal to ask on, and checkpoints that were saved are gone.
    """
    lost = work_lost_by_resuming(run, state)
    if lost is None:
        return
    print_message(f"warning: {run.id}: {lost.text()}")
    if yes or not lost.restarts:
        return
    if sys.stdin.isatty():
        typer.confirm(f"Train {run.id} again from step 0?", abort=True, err=True)
    elif lost.saved_step is not None:
        raise UserError(
            f"training {run.id} again from step 0 needs a confirmation",
            f"its checkpoints are not in {run.checkpoints}",
            ("put them back there", "or confirm it: --yes"),
        )


def _watch_log(watcher: RunWatcher, state: RunState) -> RunState:
    """Watch the log of a run of another machine until it has grown, or for long enough to call it crashed.

    A scheduler that starts a job again elsewhere cannot be asked, and a node that went down wrote no exit
    event.
    """
    seconds = patience(state)
    reason = f"{state.status_reason}; " if state.status_reason else ""
    print_message(f"{state.run_id}: {reason}checking for {duration(seconds)} whether its log grows")
    end = time.monotonic() + seconds + SPARE_SECONDS
    while time.monotonic() < end:
        watched = watcher.poll()
        if watched.seq != state.seq or watched.status not in HAS_TRAINER | {"crashed"}:
            return watched
        time.sleep(POLL_SECONDS)
    return watched if gather_evidence(watcher.run).lock_held is None else replace(watched, status="crashed")


# How a followed run ends


def conclude(run: RunDirectory, followed: Followed, *, fresh: bool, as_json: bool) -> ExitCode:
    """Print how the following ended, remove a fresh run that never trained, and return the exit code."""
    code, removed = followed.code, False
    error = followed.state.error
    if fresh and not followed.left and _never_trained(followed):
        removed = True
        if error is not None and error.code == "E_CONFIG":
            code = ExitCode.USAGE
    print_outcome(run, followed, removed=removed, plain=not as_json)
    if as_json:
        write_object(summary(run, followed.state, code, removed=removed))
    if removed:
        _remove(run)
    return code


def _never_trained(followed: Followed) -> bool:
    """Whether nothing is worth keeping: the run failed, or was interrupted, before its first step."""
    state = followed.state
    if state.step or state.checkpoints or state.evaluations:
        return False
    if state.error is not None:
        return state.error.stage == "start" or followed.code is ExitCode.FAILED
    return followed.without_exit_event and followed.code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)


def _remove(run: RunDirectory) -> None:
    """Remove a run whose trainer has ended; its loader workers may hold the lock for a moment longer."""
    for _ in range(REMOVE_TRIES):
        try:
            remove_run(run)
        except RunBusy:
            time.sleep(0.2)
        else:
            return
    print_message(f"note: {run.path} is still in use; remove it with wmse-tui rm {run.id}")
