"""From a draft to a run, or to the runs of a sweep: the questions before, the start, the message after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunExists, RunsError
from wmse_tui.runs.queue.sweep_plan import SweepPlan, sweep_tag
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui.dialogs import Answer, Choose, Confirm, ProblemDialog
from wmse_tui.tui.launching import job_text, read_job_options
from wmse_tui.tui.services import ServicesApp
from wmse_tui.tui.widgets.configure.job_dialog import JobDialog
from wmse_tui.tui.widgets.configure.sweep_dialog import SweepDialog

LaunchMode = Literal["own", "detached", "queued"]
"""Watch the run; stay here, and leave the app without a question about it; start it when a slot is free."""


Where: TypeAlias = Literal["now", "queue", "job"]


class Launcher:
    """Starts what is edited; of two starts at once the second does nothing.

    Args:
        app: shows the dialogs.
        free_memory: called before a trainer starts.
    """

    def __init__(self, app: ServicesApp, free_memory: Callable[[], None]) -> None:
        self._app = app
        self._free_memory = free_memory
        self._starting = False
        self._accepted: set[str] = set()  # warnings
        self._job_options = ""  # as they were typed last

    async def launch(
        self, draft: Draft, experiment: Experiment, warnings: Iterable[Advice], *, how: LaunchMode, name: str
    ) -> bool:
        """Start a trainer on `experiment`, that of `draft`; whether one was started.

        If other runs are active, a dialog offers to queue instead; where SLURM is there, to submit a job.
        """
        if self._starting:
            return False
        self._starting = True
        services = self._app.services
        try:
            if not await self._accept(warnings, "Queue" if how == "queued" else "Launch"):
                return False
            if how != "queued":
                answer = await self._ask_where(experiment, offer_job=how == "own")
                if answer is None:
                    return False
                if answer == "job":
                    return await self._submit(draft, experiment, name=name or None)
                how = "queued" if answer == "queue" else how
            self._free_memory()
            run = await asyncio.to_thread(
                services.trainers.start,
                experiment,
                preset=draft.base.preset,
                name=name or None,
                own=how == "own",
                queue=how == "queued",
            )
        except RunExists as error:
            step = services.keys.fill("{key:configure-name} gives the run another name")
            self._app.push_screen(ProblemDialog(error.title, error.detail, (step,)))
            return False
        except (RunsError, ConfigError, OSError) as error:
            self._app.push_screen(ProblemDialog.of("the run cannot be started", error))
            return False
        finally:
            self._starting = False
        await self._report(run, how)
        return True

    async def _ask_where(self, experiment: Experiment, *, offer_job: bool) -> Where | None:
        """Ask where the run starts, if there is a choice; None: nowhere."""
        trainers = self._app.services.trainers
        reason = await asyncio.to_thread(trainers.busy_reason, experiment)
        if offer_job and await asyncio.to_thread(trainers.can_submit):
            return await self._app.push_screen_wait(_job_question(reason))
        return await self._app.push_screen_wait(_queue_question(reason)) if reason else "now"

    async def _submit(self, draft: Draft, experiment: Experiment, *, name: str | None) -> bool:
        """Show the script of the job, and submit it; whether it was. Raises RunsError."""
        services = self._app.services
        shown = RunDirectory(services.runs_root / (name or "RUN"))

        def script(line: str) -> str:
            return job_text(shown, experiment, read_job_options(line))

        line = await self._app.push_screen_wait(JobDialog(script, options=self._job_options))
        if line is None:
            return False
        self._job_options = line
        run, number = await asyncio.to_thread(
            services.trainers.submit,
            experiment,
            read_job_options(line),
            preset=draft.base.preset,
            name=name,
        )
        services.feed.nudge()
        text = f"{run.id} is job {safe(number, 40)}; Runs shows it, and cancels it"
        services.notify(text, title="Submitted")
        return True

    async def _report(self, run: RunDirectory, how: LaunchMode) -> None:
        services = self._app.services
        if how == "own":
            await services.open_run(run)
            return
        services.feed.nudge()
        if how == "queued":
            services.notify(f"{run.id} starts when a slot is free; Runs shows its position", title="Queued")
        else:
            text = f"{run.id} is starting; wmse-tui attach {run.id} shows it"
            services.notify(text, title="Launched")

    async def sweep(self, draft: Draft, warnings: Iterable[Advice], *, name: str, first: str) -> bool:
        """Ask which options are swept, show the runs and their cost, and queue them; whether any was."""
        if self._starting:
            return False
        self._starting = True
        root = self._app.services.runs_root
        try:
            plan = await self._app.push_screen_wait(SweepDialog(draft, root, name=name or None, first=first))
            return plan is not None and await self._queue(plan, draft.base.preset, warnings)
        finally:
            self._starting = False

    async def _queue(self, plan: SweepPlan, preset: str, warnings: Iterable[Advice]) -> bool:
        """Queue the runs once their warnings are accepted: the draft's on what is not swept, the plan's."""
        swept = {axis.key for axis in plan.axes}
        concerned = [advice for advice in warnings if advice.path not in swept]
        if not await self._accept([*concerned, *plan.advice], "Queue"):
            return False
        services, tag = self._app.services, sweep_tag()
        queued: list[RunDirectory] = []
        try:
            self._free_memory()
            await asyncio.to_thread(
                lambda: queued.extend(services.trainers.queue_sweep(plan, preset=preset, tag=tag))
            )
        except (RunsError, OSError) as error:
            self._app.push_screen(ProblemDialog.of("the next run cannot be queued", error))
        services.feed.nudge()
        if queued:
            text = f"{count(len(queued), 'run')}, tagged {tag}; Runs shows them with the filter tag:{tag}"
            services.notify(text, title="Queued")
        return bool(queued)

    async def _accept(self, warnings: Iterable[Advice], verb: Literal["Launch", "Queue"]) -> bool:
        """Whether every warning was accepted, now or at an earlier launch; `verb` is what follows."""
        texts = [f"{advice.path}: {advice.text}" for advice in warnings if advice.level == "warning"]
        fresh = [text for text in dict.fromkeys(texts) if text not in self._accepted]
        if fresh:
            text = "\n".join(f"! {safe(warning, 500)}" for warning in fresh)
            title = f"{verb} with {count(len(fresh), 'warning')}?"
            if not await self._app.push_screen_wait(Confirm(title, text, yes=verb, no="Back")):
                return False
            self._accepted.update(fresh)
        return True


def _job_question(reason: str) -> Choose[Where | None]:
    """The question where SLURM is there; `reason` says why a run here would share its device, if it would."""
    return Choose(
        "Where is it to train?",
        "On a cluster most machines that can submit a job are not there to train on.\n"
        "A job of SLURM continues by itself at its time limit. Here, a run starts now, or waits for a slot."
        + (f"\n\n{safe(reason, 400)}" if reason else ""),
        Answer("job", "SLURM", "s", "primary"),
        Answer("now", "Here, now", "n", "warning" if reason else "default"),
        Answer("queue", "Here, queued", "u"),
        Answer(None, "Cancel", "escape"),
    )


def _queue_question(reason: str) -> Choose[Where | None]:
    """The question where other runs are active; `reason` says which."""
    return Choose(
        "No slot is free",
        f"{safe(reason, 400)}\n\n"
        "A queued run starts by itself when a slot is free, with or without the app.\n"
        "Launched now, it shares the device with the others, and all of them are slower.",
        Answer("queue", "Queue", "u", "primary"),
        Answer("now", "Launch now", "n", "warning"),
        Answer(None, "Cancel", "escape"),
    )
