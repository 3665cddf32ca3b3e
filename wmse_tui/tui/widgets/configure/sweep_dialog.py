"""The dialog of a sweep: some options with several values each, and what all their combinations cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Input, Static

from wmse_tui.config.draft import Draft, experiment_with
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.sweep import MOST_KEYS, Axis, Point, read_axes, read_grid
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.queue.sweep_plan import (
    SweepPlan,
    cost_lines,
    count_line,
    plan_sweep,
    run_lines,
)
from wmse_tui.runs.table.estimate import TimedRun, runs_of_this_machine
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Dialog

_DELAY = 0.3
"""Seconds without a key before the runs are counted again."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """The plan of the lines that were typed, or what is wrong with them."""

    sweeps: tuple[str, ...]
    plan: SweepPlan | None = None
    problem: str = ""


class OptionSuggester(Suggester):
    """Completes the name of an option, with the value that it has now."""

    def __init__(self, draft: Draft) -> None:
        super().__init__(use_cache=False)
        self._lines = [f"{path}={draft.fields[path].text(draft.values[path])}" for path in draft.names]

    async def get_suggestion(self, value: str) -> str | None:
        """The first option that begins with what was typed."""
        return next((line for line in self._lines if value and line.startswith(value)), None)


class SweepDialog(Dialog[SweepPlan]):
    """Counts the runs while options and values are typed; Enter answers the plan that is shown.

    Args:
        draft: a valid one.
        root: the folder of runs.
        name: the runs are called after it; None: named by date.
        first: the first line, as `seed=0,1,2`.
        as_jobs: the runs are to be jobs of SLURM.
        measured: what was measured of the draft, if it was.
    """

    BINDINGS = keys.bindings(("pagedown", "scroll(1)"), ("pageup", "scroll(-1)"))

    def __init__(
        self,
        draft: Draft,
        root: Path,
        *,
        name: str | None,
        first: str,
        as_jobs: bool = False,
        measured: TimedRun | None = None,
    ) -> None:
        super().__init__()
        self._draft, self._root, self._name, self._first = draft, root, name, first
        self._as_jobs = as_jobs
        self._measured = measured
        self._known: Sequence[TimedRun] | None = None
        self._counted = _Counted(())

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="sweep") as box:
            box.border_title = Content("Sweep")
            yield Static(
                f"Up to {MOST_KEYS} options with their values; every combination is "
                f"{'a job of SLURM' if self._as_jobs else 'queued'}.",
                markup=False,
            )
            for number in range(MOST_KEYS):
                line = Input(
                    self._first if not number else "",
                    placeholder="another option, for all combinations" if number else "seed=0,1,2",
                    suggester=OptionSuggester(self._draft),
                    classes="" if number else "first",
                )
                line.cursor_blink = False
                yield line
            with VerticalScroll(id="sweep-preview", can_focus=False):
                yield Static("", markup=False)
            yield Static(
                f"Enter {'shows their jobs' if self._as_jobs else 'queues them'}; tab: the next option; "
                "right completes its name; escape cancels.",
                markup=False,
                classes="hint",
            )

    def action_scroll(self, pages: int) -> None:
        """Scroll the list of runs."""
        preview = self.query_one("#sweep-preview")
        preview.scroll_relative(y=pages * max(1, preview.size.height - 1), animate=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query(Input).first().focus()
        self._count()

    def on_input_changed(self) -> None:
        self.query_one("#sweep-preview Static", Static).update("counting the runs")
        self._count(_DELAY)

    @property
    def _sweeps(self) -> tuple[str, ...]:
        return tuple(text for line in self.query(Input) if (text := line.value.strip()))

    @work(exclusive=True, group="sweep")
    async def _count(self, delay: float = 0) -> None:
        """Count the runs of the typed lines and estimate their time."""
        await asyncio.sleep(delay)
        if self._known is None:
            known = await asyncio.to_thread(runs_of_this_machine, self._root)
            self._known = known if self._measured is None else (self._measured, *known)
        self._counted = await asyncio.to_thread(self._plan, self._sweeps, self._known)
        preview = self.query_one("#sweep-preview Static", Static)
        preview.set_class(bool(self._counted.problem), "problem")
        preview.update(self._counted.problem or "\n".join(self._lines()))

    def _plan(self, sweeps: tuple[str, ...], known: Sequence[TimedRun]) -> _Counted:
        if not sweeps:
            return _Counted(sweeps, problem="Type an option and its values.")
        try:
            axes = read_axes(sweeps)
            points = read_grid(axes, partial(experiment_with, self._draft))
            return _Counted(sweeps, self._planned(axes, points, known))
        except ConfigError as error:
            lines = [problem.text().removeprefix("--sweep ") for problem in error.problems]
            return _Counted(sweeps, problem=safe("\n".join(lines), 600))
        except (RunsError, OSError) as error:
            return _Counted(sweeps, problem=safe(str(error), 600))

    def _planned(self, axes: Sequence[Axis], points: Sequence[Point], known: Sequence[TimedRun]) -> SweepPlan:
        return plan_sweep(axes, points, self._root, self._name, known, as_jobs=self._as_jobs)

    def _lines(self) -> list[str]:
        plan = self._counted.plan
        if plan is None:
            return []
        warnings = [advice for advice in plan.advice if advice.level == "warning"]
        lines = [count_line(plan), *cost_lines(plan)]
        lines += [f"warning: {advice.path}: {advice.text}" for advice in warnings[:3]]
        if len(warnings) > 3:
            lines.append(f"and {count(len(warnings) - 3, 'warning')} more")
        return [safe(line, 300) for line in (*lines, *run_lines(plan))]

    def on_input_submitted(self) -> None:
        """Answer the plan that is shown, unless something was typed after it was counted."""
        plan = self._counted.plan
        if plan is not None and plan.to_queue and self._counted.sweeps == self._sweeps:
            self.dismiss(plan)
