"""The dialog before a recipe is launched: its steps, the disk space it needs, and its expected duration."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.widgets import Static

from wmse_tui.config.figures import retained_checkpoints, steps_per_epoch, total_steps
from wmse_tui.config.presence import Presence
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.preflight import nearest_existing
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.estimate import DurationEstimate, Forecast, closest_run, estimate_duration
from wmse_tui.runs.table.paper import PaperCell
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, duration, size
from wmse_tui.tui.dialogs import Confirm
from wmse_tui.tui.widgets.paper.details import images_text
from wmse_tui.tui.widgets.paragraphs import Paragraph, Paragraphs

_HEAD = 8  # cells


class LaunchDialog(Confirm):
    """Yes launches the recipe of `cell` with its next unused seed.

    Args:
        cell, presence: the recipe, and where its images are.
        root: the folder of runs.
        rough: how long the run takes as far as runs of other recipes tell; None: unknown.
    """

    def __init__(self, cell: PaperCell, presence: Presence, root: Path, rough: Forecast | None) -> None:
        self._cell, self._presence, self._root, self._rough = cell, presence, root, rough
        self._reference = closest_run(cell, host())
        super().__init__(
            f"Launch {safe(cell.preset, 40)}?",
            safe(cell.experiment.title, 200),
            yes="Launch",
            no="Cancel",
        )

    def body(self) -> ComposeResult:
        yield from super().body()
        facts = Paragraphs(indent=_HEAD)
        facts.show(self._facts(None, reading=self._reference is not None))
        yield facts
        yield Static("It is meant for a CUDA device; without one it would be very slow.", markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        if self._reference is not None:
            self._estimate(RunDirectory(Path(self._reference.row.path)))

    @work
    async def _estimate(self, reference: RunDirectory) -> None:
        """Estimate from the log of a comparable run, read in a thread because it may be long."""
        try:
            state = await asyncio.to_thread(view_run, reference)
        except RunsError:
            expected = None
        else:
            expected = estimate_duration(state, self._cell.experiment)
        self.query_one(Paragraphs).show(self._facts(expected, reading=False))

    def _facts(self, expected: DurationEstimate | None, *, reading: bool) -> tuple[Paragraph, ...]:
        experiment = self._cell.experiment
        return (
            Paragraph("steps", _steps(experiment)),
            Paragraph("seed", f"{self._cell.next_seed}, which no run of this recipe has used yet"),
            Paragraph("data", images_text(experiment.dataset, self._presence)),
            Paragraph("disk", self._disk(expected)),
            Paragraph("time", self._time(expected, reading=reading)),
        )

    def _time(self, expected: DurationEstimate | None, *, reading: bool) -> str:
        if reading and self._reference is not None:
            return f"reading {safe(self._reference.row.run_id, 60)} ..."
        if expected is None:
            known = "unknown" if self._rough is None else safe(self._rough.text(), 120)
            return f"{known}; no run of this recipe has completed an epoch yet"
        where = f"{safe(expected.device, 40)} of {safe(expected.host, 40)}"
        return f"about {duration(expected.seconds)}, by the epochs of {safe(expected.run_id, 40)} ({where})"

    def _disk(self, expected: DurationEstimate | None) -> str:
        checkpoints = count(retained_checkpoints(self._cell.experiment), "checkpoint")
        if expected is None or expected.disk_bytes is None or expected.checkpoint_bytes is None:
            needed = f"at most {checkpoints}, of unknown size"
        else:
            each, run = size(expected.checkpoint_bytes), safe(expected.run_id, 40)
            needed = f"at most {size(expected.disk_bytes)} ({checkpoints} of {each}, as in {run})"
        try:
            return f"{needed}; {size(shutil.disk_usage(nearest_existing(self._root)).free)} are free"
        except OSError:
            return needed


def _steps(experiment: Experiment) -> str:
    steps, epochs = total_steps(experiment), count(experiment.schedule.epochs, "epoch")
    if steps is None:
        return f"{epochs}; the number of steps depends on the images"
    return f"{steps:,}: {epochs} of {steps_per_epoch(experiment)}"
