"""Runs as jobs of SLURM: the script of a job, its submission, its cancellation, and why it did not start.

A job trains one run: it resumes the run's directory, in a task for each device, and requeues itself where the
trainer was stopped by the signal that SLURM sends before the time limit. The directory has the script
(`slurm.sh`), the output of the job (`slurm.log`) and the id of the last job (`slurm.json`); everything else
is asked of SLURM, only for runs that were submitted.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunQueued, SchedulerError, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.process.interpreter import find_program, interpreter_command
from wmse_tui.runs.queue.slurm_jobs import (
    ENDED_STATES,
    NEVER_STARTS,
    PATIENCE_SECONDS,
    SETTLED_SECONDS,
    TIMEOUT_SECONDS,
    JobCache,
    JobListing,
    SlurmJob,
    run_program,
)
from wmse_tui.runs.run_folder import publish_file, read_file, remove_file
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count

SUBMIT_SECONDS = 60.0
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
_LARGEST_OUTPUT = 4 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is submitted.

    Args:
        sbatch: options of `sbatch` by name, as from `read_options`.
        setup: lines that the shell runs first, as in `module load cuda`.
    """

    sbatch: Mapping[str, str]
    setup: tuple[str, ...] = ()


def submits_from_here() -> bool:
    """Whether jobs can be submitted here: there is SLURM, and this process is in none of its jobs.

    Inside a job, the job is where a run starts.
    """
    return "SLURM_JOB_ID" not in os.environ and find_program("sbatch") is not None


def answers(*, patience: float = TIMEOUT_SECONDS) -> bool | None:
    """Whether jobs can be submitted here and SLURM answers; None: not within `patience`.

    It is asked in a thread, and a later call gets its answer. Call this in a thread too.
    """
    if not submits_from_here():
        return False
    found = _cache.read(patience, fresh_seconds=0.0)
    return None if not found.asked and not found.problem else not found.problem


def known() -> JobListing:
    """What SLURM has reported so far."""
    return _cache.known


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
    require_no_job(run)
    _publish(run.slurm_script, script)
    path = str(run.path)
    done = run_program(
        "sbatch", "--parsable", f"--chdir={path}", str(run.slurm_script), seconds=SUBMIT_SECONDS
    )
    number = done.strip().partition(";")[0]
    note = {"job": number, "time": time.time(), "path": os.path.realpath(path)}
    _publish(run.slurm_job, json.dumps(note) + "\n")
    forget()
    return number


def require_no_job(run: RunDirectory) -> None:
    """Raise RunQueued where `run` waits as a job. One that never starts is cancelled instead.

    Raises:
        RunQueued: it waits.
        SchedulerError: such a job cannot be cancelled.
    """
    waiting = waiting_job(run, patience=TIMEOUT_SECONDS)
    if waiting is not None and waiting.never_starts:
        cancel_job(waiting, run)
    elif waiting is not None:
        raise RunQueued(run.id, job=waiting.id)


def waiting_job(run: RunDirectory, *, patience: float = PATIENCE_SECONDS) -> SlurmJob | None:
    """The job as which `run` waits; None where it is none, or SLURM cannot be asked. Never raises."""
    job = job_of(run, patience=patience)
    return job if job is not None and job.waits else None


def job_of(run: RunDirectory, *, patience: float = PATIENCE_SECONDS) -> SlurmJob | None:
    """The last job of `run`, if SLURM lists it. Never raises."""
    note = _read_note(run)
    return None if note is None else _listed_job(note, run, _cache.read(patience, since=note.time))


def failure_to_start(run: RunDirectory) -> str:
    """Why the last job of `run` does not start it any more, in short; "" where it may. Never raises.

    SLURM lists a job for some minutes after its end, and its accounting, where there is one, for ever.
    """
    note = _read_note(run)
    if note is None or note.path != os.path.realpath(run.path) or _has_begun(run):
        return ""
    listing = _cache.read(PATIENCE_SECONDS, since=note.time)
    job = _listed_job(note, run, listing)
    if job is not None and job.never_starts:
        option = NEVER_STARTS[job.reason]
        return safe(f"SLURM job {job.id} never starts: {job.reason}; submit it with another {option}", 160)
    if job is None and listing.asked > note.time + SETTLED_SECONDS:
        state, reason = _cache.accounted(note.job)
    elif job is not None and job.ended:
        state, reason = job.state, job.reason
    else:
        return ""
    how = ENDED_STATES.get(state, "ended")
    reason = "" if reason in ("None", "") else f": {reason}"
    return safe(f"SLURM job {note.job} {how} before the run began{reason}{_last_line(run)}", 300)


def jobs_of_runs(patience: float = TIMEOUT_SECONDS + 1) -> tuple[tuple[SlurmJob, RunDirectory], ...]:
    """The jobs of this user that train runs or wait to, with their runs.

    Args:
        patience: seconds for SLURM to answer; after them, what it reported last.
    """
    listed = (job for job in _cache.read(patience).jobs if not job.ended)
    every = ((job, RunDirectory(Path(job.folder))) for job in listed)
    return tuple((job, run) for job, run in every if run.is_run() and _submitted_as(run) == job.id)


def cancel_job(job: SlurmJob, run: RunDirectory) -> None:
    """Cancel the job of a run, which is then as it was before. Raises SchedulerError."""
    run_program("scancel", job.id)
    with suppress(OSError):
        remove_file(run.slurm_job)
    forget()


def is_running_elsewhere(run: RunDirectory, job: SlurmJob) -> bool:
    """Whether the job trains the run: it has begun to, and a request to stop lets it save first."""
    return not job.waits and not job.ended and _has_begun(run)


def requeue(number: str) -> None:
    """Let SLURM start the job `number` again. Raises SchedulerError."""
    run_program("scontrol", "requeue", number)


def forget() -> None:
    """Discard what SLURM reported, after a change."""
    _cache.forget()


@dataclass(frozen=True, slots=True)
class _Note:
    """What the run's directory records of its last job.

    Args:
        job: its id.
        time: when it was submitted, in unix seconds.
        path: the run's directory then; "": unknown.
    """

    job: str
    time: float
    path: str


def _read_note(run: RunDirectory) -> _Note | None:
    """None where the run was never submitted, or the file is damaged."""
    try:
        run.slurm_job.lstat()
        fields = json.loads(read_file(run.slurm_job))
        number, submitted, path = fields["job"], fields.get("time", 0.0), fields.get("path", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if isinstance(number, str) and isinstance(submitted, (int, float)) and isinstance(path, str):
        return _Note(number, submitted, path)
    return None


def _submitted_as(run: RunDirectory) -> str | None:
    note = _read_note(run)
    return None if note is None else note.job


def _listed_job(note: _Note, run: RunDirectory, listing: JobListing) -> SlurmJob | None:
    path = os.path.realpath(run.path)
    return next(
        (job for job in listing.jobs if job.id == note.job and os.path.realpath(job.folder) == path), None
    )


def _has_begun(run: RunDirectory) -> bool:
    """Whether a trainer has written to the log since the last submission, by the clock of their disk."""
    try:
        return run.events.lstat().st_mtime_ns >= run.slurm_job.lstat().st_mtime_ns
    except OSError:
        return False


def _last_line(run: RunDirectory) -> str:
    """The last line of what the job printed; "" where it printed nothing."""
    try:
        lines = read_file(run.slurm_log, largest=_LARGEST_OUTPUT).decode(errors="replace").split("\n")
    except OSError:
        return ""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"; slurm.log ends: {last}" if last else ""


def _publish(path: Path, text: str) -> None:
    try:
        publish_file(path, text.encode(errors="surrogateescape"))
    except OSError as error:
        raise StorageError.of("write the job", path, error) from error


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[^\w.,:;@%/+=*-]", value) else value


_cache = JobCache()
