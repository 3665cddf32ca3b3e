"""Where a run is to train, and the jobs of those that are to train in SLURM: asked alike on every screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.queue.run_jobs import cost_of_jobs, script_for
from wmse_tui.runs.queue.slurm import JobOptions, jobs_of_runs, known
from wmse_tui.runs.queue.slurm_jobs import SlurmJob
from wmse_tui.runs.queue.sweep_plan import SweepPlan, sweep_tag
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui.dialogs import Answer, Choose, ProblemDialog
from wmse_tui.tui.job_dialog import JobDialog
from wmse_tui.tui.launching import read_job_options
from wmse_tui.tui.services import ServicesApp

Where: TypeAlias = Literal["now", "queue", "job"]
Answered: TypeAlias = Where | Literal["list"] | None

_AT_ONCE = 0.5
"""Seconds for SLURM to answer before the question is shown without its answer."""
_AT_LAST = 15.0
_LISTED = 4  # jobs that a question lists


@dataclass(frozen=True, slots=True)
class _Slurm:
    """A sentence for the question, and whether SLURM has jobs of runs."""

    note: str
    has_jobs: bool = False

    @property
    def answers(self) -> tuple[Answer[Answered], ...]:
        """Those that follow the places to train; the list of runs shows jobs, and cancels them."""
        cancel: Answer[Answered] = Answer(None, "Cancel", "escape")
        return (Answer("list", "Jobs", "j"), cancel) if self.has_jobs else (cancel,)


class Submission:
    """Asks where runs are to train, and submits jobs.

    Args:
        app: shows the dialogs.
    """

    def __init__(self, app: ServicesApp) -> None:
        self._app = app
        self._reported: set[str] = set()  # why SLURM did not answer

    async def ask_where(self, experiment: Experiment, *, offer_job: bool = True) -> Where | None:
        """Ask where a run starts, if there is a choice; None: nowhere."""
        trainers = self._app.services.trainers
        reason = await asyncio.to_thread(trainers.busy_reason, experiment)
        found = await self._slurm() if offer_job else None
        if found is not None:
            return await self._choose(_job_question(reason, found))
        return await self._app.push_screen_wait(_queue_question(reason)) if reason else "now"

    async def ask_where_all(self) -> Where | None:
        """Ask where the runs of a sweep start, if there is a choice; None: nowhere."""
        found = await self._slurm()
        return "queue" if found is None else await self._choose(_sweep_question(found))

    async def _choose(self, question: Choose[Answered]) -> Where | None:
        answer = await self._app.push_screen_wait(question)
        if answer == "list":
            await self._app.services.show("runs")
            return None
        return answer

    async def submit(self, experiment: Experiment, *, preset: str, name: str | None) -> bool:
        """Show the script of a run's job, and submit it; whether it was.

        Raises:
            RunsError: the run cannot be made, or SLURM refuses the job.
        """
        services = self._app.services
        shown = RunDirectory(services.runs_root / (name or "RUN"))
        options = await self._ask_options(lambda options: script_for(shown, experiment, options))
        if options is None:
            return False
        run, number = await asyncio.to_thread(
            services.trainers.submit, experiment, options, preset=preset, name=name
        )
        services.feed.nudge()
        text = f"{run.id} is job {safe(number, 40)}; Runs shows it, and cancels it"
        services.notify(text, title="Submitted")
        return True

    async def submit_sweep(self, plan: SweepPlan, *, preset: str) -> bool:
        """Show what the jobs of a sweep cost and the script of the first, and submit all; whether any was."""
        services, tag = self._app.services, sweep_tag()
        experiments = [planned.point.experiment for planned in plan.to_queue]
        shown = RunDirectory(services.runs_root / (plan.to_queue[0].name or "RUN"))

        def script(options: JobOptions) -> str:
            cost = cost_of_jobs(experiments, options)
            return f"{cost}\n\nThe first of them:\n{script_for(shown, experiments[0], options)}"

        options = await self._ask_options(script)
        if options is None:
            return False
        runs = partial(services.trainers.submit_sweep, plan, options, preset=preset, tag=tag)
        return await self.start_all(runs, tag=tag, noun="job", done="submitted")

    async def start_all(
        self, runs: Callable[[], Iterable[RunDirectory]], *, tag: str, noun: str, done: str
    ) -> bool:
        """Make and start the runs of a sweep in a thread; an error ends it. Whether any was started.

        Args:
            runs: starts one after the other, and yields each.
            tag: of all of them.
            noun, done: for the messages: a job that is submitted, a run that is queued.
        """
        started: list[RunDirectory] = []
        try:
            await asyncio.to_thread(lambda: started.extend(runs()))
        except (RunsError, OSError) as error:
            self._app.push_screen(ProblemDialog.of(f"the next run cannot be {done}", error))
        self._app.services.feed.nudge()
        if started:
            text = f"{count(len(started), noun)}, tagged {tag}; Runs shows them with the filter tag:{tag}"
            self._app.services.notify(text, title=done.capitalize())
        return bool(started)

    async def _ask_options(self, script: Callable[[JobOptions], str]) -> JobOptions | None:
        """Show the script while options are typed; None where it is not to be submitted."""
        chosen = self._app.services.selection
        dialog = JobDialog(lambda line: script(read_job_options(line)), options=chosen.job_options)
        line = await self._app.push_screen_wait(dialog)
        if line is None:
            return None
        chosen.job_options = line
        return read_job_options(line)

    async def _slurm(self) -> _Slurm | None:
        """What SLURM reports; None where it is not offered. One that is silent is there all the same."""
        found = await asyncio.to_thread(self._app.services.trainers.can_submit, patience=_AT_ONCE)
        if found is None:
            self._app.run_worker(self._await_answer(), group="slurm", exclusive=True)
            return _Slurm("SLURM has not answered yet: it may be busy, and take some time for a job too.")
        if not found:
            reported = known()
            return _Slurm(f"SLURM does not answer: {reported.problem}.") if reported.silent else None
        jobs = await asyncio.to_thread(jobs_of_runs, 0.0)  # it was asked above
        return _Slurm(_jobs_text(jobs), has_jobs=bool(jobs))

    async def _await_answer(self) -> None:
        await asyncio.to_thread(self._app.services.trainers.can_submit, patience=_AT_LAST)
        found = known()
        if found.silent and found.problem not in self._reported:
            self._reported.add(found.problem)
            self._app.services.notify(found.problem, title="SLURM does not answer", severity="warning")


def _jobs_text(jobs: Sequence[tuple[SlurmJob, RunDirectory]]) -> str:
    """The jobs that wait or train, in short; "" without any."""
    if not jobs:
        return ""
    named = [f"{safe(run.id, 40)} ({job.text()})" for job, run in jobs[:_LISTED]]
    more = len(jobs) - _LISTED
    return f"There already: {', '.join(named)}{f' and {more} more' if more > 0 else ''}."


def _job_question(reason: str, slurm: _Slurm) -> Choose[Answered]:
    """The question where SLURM is there.

    Args:
        reason: why a run here would share its device; "" if it would not.
        slurm: what it reports.
    """
    return Choose(
        "Where is it to train?",
        _paragraphs(
            "On a cluster most machines that can submit a job are not there to train on.\n"
            "A job of SLURM continues by itself at its time limit. "
            "Here, a run starts now, or waits for a slot.",
            reason,
            slurm.note,
        ),
        Answer("job", "SLURM", "s", "primary"),
        Answer("now", "Now", "n", "warning" if reason else "default"),
        Answer("queue", "Queue", "u"),
        *slurm.answers,
    )


def _sweep_question(slurm: _Slurm) -> Choose[Answered]:
    """The question before a sweep where SLURM is there."""
    return Choose(
        "Where are its runs to train?",
        _paragraphs(
            "In SLURM each run is a job, which continues by itself at its time limit.\n"
            "Here, the runs wait in the queue of this machine.",
            slurm.note,
        ),
        Answer("job", "SLURM", "s", "primary"),
        Answer("queue", "Queue", "u"),
        *slurm.answers,
    )


def _queue_question(reason: str) -> Choose[Where | None]:
    """The question where other runs are active; `reason` names them."""
    return Choose(
        "No slot is free",
        f"{safe(reason, 400)}\n\n"
        "A queued run starts by itself when a slot is free, with or without the app.\n"
        "Launched now, it shares the device with the others, and all of them are slower.",
        Answer("queue", "Queue", "u", "primary"),
        Answer("now", "Launch now", "n", "warning"),
        Answer(None, "Cancel", "escape"),
    )


def _paragraphs(*texts: str) -> str:
    shown: Sequence[str] = [texts[0], *(safe(text, 400) for text in texts[1:] if text)]
    return "\n\n".join(shown)
