"""Going on with a run that exists: by state, what `run --name` and `resume` do with it."""

from __future__ import annotations

import time

from wmse_tui.cli.console import UserError, print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import summary, write_object
from wmse_tui.cli.follow.outcome import result_lines
from wmse_tui.cli.start.launching import Launch, StartOptions, start
from wmse_tui.cli.start.named import refuse_other_config
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.preflight import check_runs_dir
from wmse_tui.runs.process.liveness import patience
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import TRAINING
from wmse_tui.runs.state.watch import RunWatcher, view_run
from wmse_tui.runs.text.units import duration

POLL_SECONDS = 0.5
SPARE_SECONDS = 2.0


def continue_named(run: RunDirectory, wanted: Experiment, way: StartOptions, *, launch: Launch) -> ExitCode:
    """Go on with `run`, which has the name that was asked for, if it has the wanted configuration too."""
    refuse_other_config(run, wanted)
    return continue_run(run, way, launch=launch)


def continue_run(run: RunDirectory, way: StartOptions, *, launch: Launch) -> ExitCode:
    """Start another attempt at `run` unless it is completed or being trained.

    Raises:
        UserError: it is being trained (exit status 73).
    """
    view = view_run(run)
    if view.status == "completed":
        print_message(f"{run.id} has completed; there is nothing left to do.")
        if way.as_json:
            write_object(summary(run, view, ExitCode.COMPLETED))
        else:
            for line in result_lines(run, view):
                print_data(line)
        return ExitCode.COMPLETED
    if view.status == "unknown":
        view = _watched(run, view)
    # Not "starting": the run lock shows whether that start succeeded.
    if view.status in TRAINING or view.status == "unknown":
        raise UserError(
            f"{run.id} is {view.status} already",
            view.status_reason
            or (f"its trainer runs on {view.setup.host}" if view.setup is not None else ""),
            (f"watch it: wmse-tui attach {run.id}", f"end it: wmse-tui stop {run.id}"),
            ExitCode.BUSY,
        )
    note = check_runs_dir(run.path)
    if note:
        print_message(f"note: {note}")
    return start(run, way, fresh=False, launch=launch)


def _watched(run: RunDirectory, view: RunState) -> RunState:
    """See whether the log of a run of another machine grows, as long as that takes to tell.

    A scheduler that starts a job again elsewhere has nobody to ask: a node that went down said no last word.
    """
    if view.status_reason:
        print_message(f"{run.id}: {view.status_reason} (about {duration(patience(view))})")
    watcher, end = RunWatcher(run), time.monotonic() + patience(view) + SPARE_SECONDS
    while (view := watcher.poll()).status == "unknown" and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return view
