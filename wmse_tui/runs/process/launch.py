"""Starting a trainer that depends on no terminal, session or parent process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LaunchError, NotARun, RunBusy, RunQueued, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.process.control import discard
from wmse_tui.runs.process.deferred_signals import deferred_stop_signals
from wmse_tui.runs.process.identity import read_trainer, write_launch
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.process.rank_launcher import VARIABLES
from wmse_tui.runs.queue.gpu_slots import mark_slots_busy
from wmse_tui.runs.queue.slurm import require_no_job
from wmse_tui.runs.run_folder import append_to_file
from wmse_tui.runs.text.sanitize import safe

if TYPE_CHECKING:  # the list of runs does without the schema
    from wmse_tui.config.sections.compute import Devices


def launch_trainer(
    run: RunDirectory, *, python: str | Path = sys.executable, launched: bool = False
) -> subprocess.Popen[bytes]:
    """Start the trainer, `wmse_tui.engine RUN_DIR`, in a session of its own, and return at once.

    Its input is empty and its output goes to `trainer.log`, because a trainer that reads or writes a terminal
    or a pipe dies or stops with the process at the other end. The folder it is started from is not searched
    for modules. Requests left over from an earlier attempt are discarded.

    Args:
        run: the run.
        python: the interpreter.
        launched: it is rank 0 of several, if a launcher has started this process as that.

    Raises:
        NotARun, ForeignRun, RunBusy, RunQueued, LocksUnsupported: it must not be started.
        LaunchError, StorageError: it cannot be started.
    """
    if not run.is_run():
        raise NotARun("there is no run to train", safe(str(run.path), 200))
    require_own(run)
    if held(run.queue_lock):
        raise RunQueued(run.id)
    require_no_job(run)
    if held(run.lock):
        trainer = read_trainer(run)
        process = trainer.process if trainer is not None else None
        if process is None:
            raise RunBusy(f"run {run.id} is being trained already", run=run.id)
        detail = f"by process {process.pid} on {safe(process.host, 64)}"
        raise RunBusy(
            f"run {run.id} is being trained already", detail, run=run.id, pid=process.pid, host=process.host
        )
    discard(run)
    write_launch(run)
    try:
        log = append_to_file(run.trainer_log)
    except OSError as error:
        raise StorageError.of("open the trainer's log", run.trainer_log, error) from error
    slots = mark_slots_busy(*devices_of(run))  # the trainer inherits them: the queue sees the slots in use
    try:
        with deferred_stop_signals():
            return start_detached(trainer_command(run, python), log, inherit=tuple(slots), launched=launched)
    except OSError as error:
        missing = error.filename or python  # the interpreter, or /dev/null
        raise LaunchError("the trainer cannot be started", f"{missing}: {error.strerror or error}") from error
    finally:
        for slot in slots:
            os.close(slot)


def trainer_command(run: RunDirectory, python: str | Path = sys.executable) -> list[str]:
    """The command line of a trainer."""
    # -u and faulthandler: what a killed trainer printed last.
    options = ("-u", "-X", "faulthandler")
    return interpreter_command("wmse_tui.engine", str(run.path), python=python, options=options)


def start_detached(
    command: list[str], log: BinaryIO, *, inherit: tuple[int, ...] = (), launched: bool = False
) -> subprocess.Popen[bytes]:
    """Start a process that outlives us: its own session, no input, output to `log`, which is closed here.

    Args:
        command: program and arguments.
        log: a file.
        inherit: descriptors that it gets, under the same numbers.
        launched: it gets the variables by which a launcher makes a process one of several, too.

    Raises:
        OSError: it cannot be started.
    """
    with log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if launched or name not in VARIABLES},
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
            pass_fds=inherit,
        )


def devices_of(run: RunDirectory) -> tuple[str, Devices]:
    """The `compute.device` and `compute.devices` of a run; "auto" of an unreadable configuration."""
    from wmse_tui.runs.state.config import read_configuration  # a third of a waiting process's start

    experiment = read_configuration(run).experiment
    return ("auto", "auto") if experiment is None else (experiment.compute.device, experiment.compute.devices)


def disown(process: subprocess.Popen[bytes]) -> None:
    """Let a process outlive this one: it is not waited for, and Popen does not warn of that."""
    if process.poll() is None:
        process.returncode = 0
