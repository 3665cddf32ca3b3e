"""What SLURM reports of this user's jobs. It is asked seldom: its controller serves a whole cluster.

It is asked in a thread. What shows a run waits for `PATIENCE_SECONDS` for an answer, and then uses what was
reported last.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace

from wmse_tui.runs.errors import SchedulerError
from wmse_tui.runs.process.interpreter import find_program
from wmse_tui.runs.text.sanitize import safe

FRESH_SECONDS = 20.0
TIMEOUT_SECONDS = 10.0
PATIENCE_SECONDS = 2.0
SETTLED_SECONDS = 5.0
"""A job that SLURM does not list so long after its submission has ended."""
WAITING_STATES = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
ENDED_STATES = {
    "BOOT_FAIL": "failed: its nodes did not start",
    "CANCELLED": "was cancelled",
    "COMPLETED": "ended",
    "DEADLINE": "was cancelled at its deadline",
    "FAILED": "failed",
    "NODE_FAIL": "lost its node",
    "OUT_OF_MEMORY": "had too little memory",
    "PREEMPTED": "was preempted",
    "REVOKED": "was revoked",
    "TIMEOUT": "reached its time limit",
}
"""Those of a job that has ended, as text; SLURM lists it for some minutes."""
NEVER_STARTS = {
    "AccountNotAllowed": "account",
    "AssocMaxWallDurationPerJobLimit": "time",
    "BadConstraints": "constraint",
    "InvalidAccount": "account",
    "InvalidQOS": "qos",
    "PartitionNodeLimit": "nodes",
    "PartitionTimeLimit": "time",
    "QOSMaxNodePerJobLimit": "nodes",
    "QOSMaxWallDurationPerJobLimit": "time",
    "QOSNotAllowed": "qos",
}
"""Reasons for which SLURM accepts a job and lets it wait for ever, and the option that each is about."""
_SILENCE = ("did not answer", "nable to contact")
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

    @property
    def never_starts(self) -> bool:
        """Whether it waits for what does not happen by itself."""
        return self.waits and self.reason in NEVER_STARTS

    @property
    def ended(self) -> bool:
        """Whether nothing follows any more."""
        return self.state in ENDED_STATES

    def text(self) -> str:
        """The job and what it waits for, in short."""
        reason = "" if self.reason in ("None", "") else f": {self.reason}"
        start = "" if self.start in ("N/A", "") or not self.waits else f", expected {self.start}"
        return safe(f"SLURM job {self.id} {self.state.lower()}{reason}{start}", 160)


@dataclass(frozen=True, slots=True)
class JobListing:
    """What SLURM reports of this user.

    Args:
        jobs: as it reported last.
        asked: when it was asked for them, in unix seconds; 0: it has never answered.
        problem: why it did not answer the last question; "": it did, or is being asked.
        silent: its controller is busy or down; else this machine has no cluster.
    """

    jobs: tuple[SlurmJob, ...] = ()
    asked: float = 0.0
    problem: str = ""
    silent: bool = False


@dataclass(slots=True)
class _Question:
    """A question to SLURM and its answer.

    Args:
        begun: monotonic seconds.
        thread: that asks.
        awaited: a caller has waited for it in vain: others do not.
    """

    begun: float = -FRESH_SECONDS
    thread: threading.Thread | None = None
    awaited: bool = False
    found: JobListing = field(default_factory=JobListing)


class JobCache:
    """What SLURM reports of the jobs, asked for once in a while; until it answers, the last answer."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._question = _Question()
        self._ended: dict[str, tuple[str, str]] = {}

    @property
    def known(self) -> JobListing:
        """What was reported last."""
        return self._question.found

    def read(
        self, patience: float, *, fresh_seconds: float = FRESH_SECONDS, since: float = 0.0
    ) -> JobListing:
        """What is reported now; after so many seconds, what was reported last.

        Args:
            patience: seconds.
            fresh_seconds: the age of an answer that is not asked for again.
            since: of a submission, in unix seconds: an answer from before it is older than it seems.
        """
        with self._guard:
            question = self._question
            if question.found.asked < since:
                fresh_seconds = min(fresh_seconds, SETTLED_SECONDS)
            asking = question.thread is not None and question.thread.is_alive()
            if not asking and time.monotonic() - question.begun >= fresh_seconds:
                question = self._question = _Question(time.monotonic(), found=question.found)
                question.thread = threading.Thread(
                    target=self._ask, args=(question,), name="squeue", daemon=True
                )
                question.thread.start()
        if question.thread is not None and (patience > PATIENCE_SECONDS or not question.awaited):
            question.thread.join(patience)
            question.awaited = question.thread.is_alive()
        return question.found

    def accounted(self, number: str) -> tuple[str, str]:
        """State and reason of a job that has ended, by SLURM's accounting; both "" where there is none."""
        if number not in self._ended:
            self._ended[number] = _accounted(number)
        return self._ended[number]

    def forget(self) -> None:
        with self._guard:
            self._question = _Question()
            self._ended.clear()

    @staticmethod
    def _ask(question: _Question) -> None:
        asked = time.time()
        try:
            question.found = JobListing(_listed(), asked)
        except SchedulerError as error:
            silent = any(text in str(error) for text in _SILENCE)
            question.found = replace(question.found, problem=str(error), silent=silent)


def _listed() -> tuple[SlurmJob, ...]:
    """The jobs of this user, with those that have ended in the last minutes. Raises SchedulerError."""
    if find_program("squeue") is None:
        return ()
    user = f"--user={os.getuid()}"
    text = run_program("squeue", "--noheader", "--states=all", user, f"--format={_FIELDS}")
    rows = (line.split("|", 4) for line in text.splitlines())
    return tuple(SlurmJob(*(part.strip() for part in row)) for row in rows if len(row) == 5)


def _accounted(number: str) -> tuple[str, str]:
    try:
        text = run_program("sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={number}",
                    "--format=State,Reason", seconds=PATIENCE_SECONDS)  # fmt: skip
    except SchedulerError:
        return "", ""
    state, _, reason = text.partition("\n")[0].partition("|")
    return state.partition(" ")[0], reason.strip()


def run_program(program: str, *arguments: str, seconds: float = 0.0) -> str:
    """What a program of SLURM prints, within so many seconds if not the usual. Raises SchedulerError."""
    seconds = seconds or TIMEOUT_SECONDS
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
