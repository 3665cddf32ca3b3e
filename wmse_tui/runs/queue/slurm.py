"""Runs as jobs of SLURM: the script of a job, its submission, and what `squeue` reports of it.

A job trains one run: it resumes the run's directory, in a task for each device, and requeues itself where the
trainer was stopped by the signal that SLURM sends before the time limit. The directory has the script
(`slurm.sh`), the output of the job (`slurm.log`) and the id of the last job (`slurm.json`); everything else
is asked of SLURM, at most once in `FRESH_SECONDS` and only for runs that were submitted: its controller
serves a whole cluster.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunQueued, SchedulerError, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.process.interpreter import find_program, interpreter_command
from wmse_tui.runs.run_folder import publish_file, read_file
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count

FRESH_SECONDS = 20.0
TIMEOUT_SECONDS = 10.0
SUBMIT_SECONDS = 60.0
WAITING_STATES = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
DEFAULTS = {"signal": "USR1@120", "requeue": "", "open-mode": "append", "output": "slurm.log"}
"""What every job of ours is submitted with; a signal two minutes before the time limit."""
FIXED = {
    "requeue": "the job requeues itself",
    "open-mode": "each attempt adds to the output",
    "output": "the output is slurm.log in the run's directory",
    "error": "the output is slurm.log in the run's directory",
    "chdir": "the job starts in the run's directory",
    "array": "a job trains one run",
    "wrap": "a job trains one run",
    "ntasks": "a run has a task for each of compute.devices",
    "ntasks-per-node": "a run has a task for each of compute.devices",
    "parsable": "it is set already",
}
"""Options of `sbatch` that are not the user's, and why."""
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
_FIELDS = "%i|%T|%r|%S|%Z"


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """A job of this user that SLURM knows.

    Args:
        id: as `scancel` reads it.
        state: of SLURM, as in PENDING or RUNNING.
        reason: why it waits, in SLURM's words.
        start: when it began or is expected to, or N/A.
        folder: where it runs: the directory of the run.
    """

    id: str
    state: str
    reason: str
    start: str
    folder: str

    @property
    def waits(self) -> bool:
        """Whether it has not begun, or waits to begin again."""
        return self.state in WAITING_STATES

    def text(self) -> str:
        """The job and what it waits for, in short."""
        reason = "" if self.reason in ("None", "") else f": {self.reason}"
        start = "" if self.start in ("N/A", "") or not self.waits else f", expected {self.start}"
        return safe(f"SLURM job {self.id} {self.state.lower()}{reason}{start}", 160)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is submitted.

    Args:
        sbatch: options of `sbatch` by name, as from `read_options`.
        setup: lines that the shell runs first, as in `module load cuda`.
    """

    sbatch: Mapping[str, str]
    setup: tuple[str, ...] = ()


def answers() -> bool:
    """Whether jobs are submitted from here: SLURM answers, and this process is in none of its jobs.

    Inside a job, the job is where a run starts. Asks SLURM: call it in a thread.
    """
    if "SLURM_JOB_ID" in os.environ or find_program("sbatch") is None:
        return False
    try:
        _run("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i")
    except SchedulerError:
        return False
    return True


def read_options(texts: Iterable[str], defaults: Mapping[str, str | int]) -> dict[str, str]:
    """Return the options of `sbatch`: the user's defaults, and over them those of a command line.

    Args:
        texts: as in `partition=gpu`, or `exclusive` for one without a value.
        defaults: by name.

    Raises:
        SchedulerError: one of them is no option, or not the user's to set.
    """
    options: dict[str, str] = {}
    given = [text.removeprefix("--").partition("=")[::2] for text in texts]
    for name, value in [*((name, str(value)) for name, value in defaults.items()), *given]:
        if not _OPTION.fullmatch(name) or not value.isprintable() or set(value) & set('"\\'):
            raise SchedulerError(
                f"{name}={value!r} is no option of sbatch" if value else f"{name!r} is no option of sbatch",
                "",
                next=("write its long name and the value, as in partition=gpu or time=24:00:00",),
            )
        if name in FIXED:
            raise SchedulerError(
                f"{name} cannot be set", FIXED[name], next=("write a script of your own: docs/servers.md",)
            )
        options[name] = value
    return options


def job_script(
    run: RunDirectory,
    options: JobOptions,
    *,
    devices: int = 1,
    gpus: bool = True,
) -> str:
    """Return the script of a job that trains `run`.

    A run of several devices has a task for each, on one node, or divided among those of the option `nodes`.

    Args:
        run: the run.
        options: how it is submitted.
        devices: how many.
        gpus: whether they are GPUs, which are requested where the options request none.

    Raises:
        SchedulerError: the devices cannot be divided among so many nodes.
    """
    every = {"job-name": run.id, **DEFAULTS, **options.sbatch}
    on_each = devices // _nodes(options.sbatch, devices)
    if devices > 1:
        every |= {"nodes": options.sbatch.get("nodes", "1"), "ntasks-per-node": str(on_each)}
    if gpus and not any(name.startswith(("gpus", "gres")) for name in options.sbatch):
        every["gpus-per-node"] = str(on_each)
    lines = [f"#SBATCH --{name}" + (f"={_quoted(value)}" if value else "") for name, value in every.items()]
    train = shlex.join(interpreter_command("wmse_tui", "resume", str(run.path), "--headless"))
    requeue = shlex.join(interpreter_command("wmse_tui", "queue", "requeue", str(run.path)))
    return "\n".join(
        (
            "#!/bin/bash",
            *lines,
            *options.setup,
            f"srun {'--kill-on-bad-exit=1 ' * (devices > 1)}{train}",
            "status=$?",
            f"[ $status -eq 143 ] && {requeue}  # it was stopped by a signal, and saved",
            "exit $status",
            "",
        )
    )


def _nodes(options: Mapping[str, str], devices: int) -> int:
    """The nodes of a job. Raises SchedulerError."""
    text = options.get("nodes", "1")
    if text.isdecimal() and int(text) and devices % int(text) == 0:
        return int(text)
    raise SchedulerError(
        f"nodes={text}: {count(devices, 'device')} cannot be divided among so many nodes",
        "compute.devices is the number of devices on all nodes together",
        next=("set it to a multiple of the nodes: --set compute.devices=8", "or omit the option nodes"),
    )


def submit(run: RunDirectory, script: str) -> str:
    """Submit a script for `run`, and return the id of the job.

    Raises:
        ForeignRun, NotARun: the run is not the user's.
        RunQueued: it waits as a job already.
        SchedulerError: there is no SLURM here, or it refuses the job.
        StorageError: the script cannot be written.
    """
    require_own(run)
    waiting = waiting_job(run)
    if waiting is not None:
        raise RunQueued(run.id, job=waiting.id)
    _publish(run.slurm_script, script)
    path = str(run.path)
    done = _run("sbatch", "--parsable", f"--chdir={path}", str(run.slurm_script), seconds=SUBMIT_SECONDS)
    number = done.strip().partition(";")[0]
    _publish(run.slurm_job, json.dumps({"job": number, "time": time.time()}) + "\n")
    forget()
    return number


def require_no_job(run: RunDirectory) -> None:
    """Raise RunQueued where `run` waits as a job."""
    waiting = waiting_job(run)
    if waiting is not None:
        raise RunQueued(run.id, job=waiting.id)


def waiting_job(run: RunDirectory) -> SlurmJob | None:
    """The job as which `run` waits; None where it is none, or SLURM cannot be asked. Never raises."""
    number = _submitted_as(run)
    if number is None:
        return None
    path = os.path.realpath(run.path)
    return next(
        (job for job in jobs() if job.id == number and job.waits and os.path.realpath(job.folder) == path),
        None,
    )


def jobs() -> tuple[SlurmJob, ...]:
    """The jobs of this user in SLURM; none where it cannot be asked. Never raises."""
    return _cache.jobs()


def jobs_of_runs() -> tuple[tuple[SlurmJob, RunDirectory], ...]:
    """The jobs of this user that train runs, with their runs."""
    every = ((job, RunDirectory(Path(job.folder))) for job in jobs())
    return tuple((job, run) for job, run in every if run.is_run() and _submitted_as(run) == job.id)


def cancel_job(job: SlurmJob) -> None:
    """Cancel a job. Raises SchedulerError."""
    _run("scancel", job.id)
    forget()


def requeue(number: str) -> None:
    """Let SLURM start the job `number` again. Raises SchedulerError."""
    _run("scontrol", "requeue", number)


def forget() -> None:
    """Discard what SLURM reported, after a change."""
    _cache.forget()


def _submitted_as(run: RunDirectory) -> str | None:
    """The id of the last job of `run`; None where it was never submitted, or the file is damaged."""
    try:
        run.slurm_job.lstat()
        number = json.loads(read_file(run.slurm_job))["job"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return number if isinstance(number, str) else None


def _publish(path: Path, text: str) -> None:
    try:
        publish_file(path, text.encode(errors="surrogateescape"))
    except OSError as error:
        raise StorageError.of("write the job", path, error) from error


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[^\w.,:;@%/+=*-]", value) else value


def _run(program: str, *arguments: str, seconds: float = TIMEOUT_SECONDS) -> str:
    """Return what a program of SLURM prints. Raises SchedulerError."""
    path = find_program(program)
    if path is None:
        raise SchedulerError(
            "there is no SLURM on this machine",
            f"no `{program}` in PATH",
            next=("log in to a node from which jobs are submitted", "or start the run here: omit --slurm"),
        )
    try:
        done = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise SchedulerError(
            f"{program} did not answer within {seconds:.0f} s",
            "",
            next=("try again: its controller is busy",),
        ) from None
    except OSError as error:
        raise SchedulerError(f"{program} cannot be started", error.strerror or str(error)) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise SchedulerError(
            f"{program} refused",
            safe("; ".join(lines), 400),
            next=("set what it names: --slurm-option KEY=VALUE",),
        )
    return done.stdout


class _JobCache:
    """The jobs of this user, asked for once in a while; a failure counts as no jobs for as long."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._read: tuple[float, tuple[SlurmJob, ...]] = (-FRESH_SECONDS, ())

    def jobs(self) -> tuple[SlurmJob, ...]:
        with self._guard:
            if time.monotonic() - self._read[0] >= FRESH_SECONDS:
                self._read = (time.monotonic(), _listed())
            return self._read[1]

    def forget(self) -> None:
        with self._guard:
            self._read = (-FRESH_SECONDS, ())


def _listed() -> tuple[SlurmJob, ...]:
    try:
        text = _run("squeue", "--noheader", f"--user={os.getuid()}", f"--format={_FIELDS}")
    except SchedulerError:
        return ()
    rows = (line.split("|", 4) for line in text.splitlines())
    return tuple(SlurmJob(*(field.strip() for field in row)) for row in rows if len(row) == 5)


_cache = _JobCache()
