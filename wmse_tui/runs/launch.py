"""Starting a trainer that needs nobody: no terminal, no session, not the process that started it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from wmse_tui.runs.control import discard
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LaunchError, NotARun, RunBusy, StorageError
from wmse_tui.runs.files import append_private
from wmse_tui.runs.lock import held
from wmse_tui.runs.process import read_trainer, write_launch
from wmse_tui.runs.text import safe


def launch_trainer(run: RunDirectory, *, python: str | Path = sys.executable) -> subprocess.Popen[bytes]:
    """Start `python -m wmse_tui.engine RUN_DIR` in a session of its own, and return at once.

    Input comes from nowhere and output goes to `trainer.log`, because a trainer that reads or writes a
    terminal or a pipe dies or stops with whoever holds the other end. The folder it is started from is not
    searched for modules. Requests left over from an earlier attempt are discarded.

    Raises:
        NotARun, RunBusy, LocksUnsupported: it must not be started.
        LaunchError, StorageError: it cannot be started.
    """
    if not run.is_run():
        raise NotARun("there is no run to train", safe(str(run.path), 200))
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
        log = append_private(run.trainer_log)
    except OSError as error:
        raise StorageError.of("open the trainer's log", run.trainer_log, error) from error
    # -P: modules in the current folder are none of ours; -u and faulthandler: a killed trainer's last words.
    command = [str(python), "-P", "-u", "-X", "faulthandler", "-m", "wmse_tui.engine", str(run.path)]
    with log:
        try:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, umask=0o077
            )
        except OSError as error:
            raise LaunchError(
                "the trainer cannot be started", f"{python}: {error.strerror or error}"
            ) from error
