"""From a draft to a run, or to the runs of a sweep: the questions before, the start, the message after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunExists, RunsError
from wmse_tui.runs.queue.sweep_plan import SweepPlan, sweep_tag
from wmse_tui.runs.table.estimate import TimedRun
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui.dialogs import Confirm, ProblemDialog
from wmse_tui.tui.services import ServicesApp
from wmse_tui.tui.submission import Submission
from wmse_tui.tui.widgets.configure.sweep_dialog import SweepDialog

LaunchMode = Literal["own", "detached", "queued"]
"""Watch the run; stay here, and leave the app without a question about it; start it when a slot is free."""


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
        self._submission = Submission(app)

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
                answer = await self._submission.ask_where(experiment, offer_job=how == "own")
                if answer is None:
                    return False
                if answer == "job":
                    preset = draft.base.preset
                    return await self._submission.submit(experiment, preset=preset, name=name or None)
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

    async def sweep(
        self,
        draft: Draft,
        warnings: Iterable[Advice],
        *,
        name: str,
        first: str,
        measured: TimedRun | None = None,
    ) -> bool:
        """Ask which options are swept, show the runs and their cost, and start them; whether any was.

        They are queued, or submitted to SLURM where it is there and chosen. From `measured`, a measurement of
        the draft, their time follows.
        """
        if self._starting:
            return False
        self._starting = True
        root = self._app.services.runs_root
        try:
            where = await self._submission.ask_where_all()
            if where is None:
                return False
            dialog = SweepDialog(
                draft, root, name=name or None, first=first, as_jobs=where == "job", measured=measured
            )
            plan = await self._app.push_screen_wait(dialog)
            return plan is not None and await self._start_sweep(plan, draft.base.preset, warnings)
        finally:
            self._starting = False

    async def _start_sweep(self, plan: SweepPlan, preset: str, warnings: Iterable[Advice]) -> bool:
        """Start the runs once their warnings are accepted: the draft's on what is not swept, the plan's."""
        swept = {axis.key for axis in plan.axes}
        concerned = [advice for advice in warnings if advice.path not in swept]
        if not await self._accept([*concerned, *plan.advice], "Submit" if plan.as_jobs else "Queue"):
            return False
        if plan.as_jobs:
            return await self._submission.submit_sweep(plan, preset=preset)
        self._free_memory()
        tag = sweep_tag()
        runs = partial(self._app.services.trainers.queue_sweep, plan, preset=preset, tag=tag)
        return await self._submission.start_all(runs, tag=tag, noun="run", done="queued")

    async def _accept(self, warnings: Iterable[Advice], verb: Literal["Launch", "Queue", "Submit"]) -> bool:
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
