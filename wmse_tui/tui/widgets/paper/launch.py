"""Before a recipe is launched: its steps, what it takes of the disk, and how long it may take."""

from __future__ import annotations

import shutil
from pathlib import Path

from textual.message import Message
from textual.widgets import Static

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.figures import checkpoints_kept, steps_per_epoch, total_steps
from wmse_tui.config.presence import Presence
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.preflight import nearest_existing
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.estimate import Forecast, forecast, model_run
from wmse_tui.runs.table.paper import Cell
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, duration, size
from wmse_tui.tui.screens.ask import ConfirmScreen


class LaunchScreen(ConfirmScreen):
    """Yes launches the recipe of `cell` with its next unused seed."""

    class Forecasted(Message):
        """What another run lets one expect; None: nothing."""

        def __init__(self, forecast: Forecast | None) -> None:
            super().__init__()
            self.forecast = forecast

    def __init__(self, cell: Cell, presence: Presence, root: Path) -> None:
        self._cell, self._presence, self._root = cell, presence, root
        self._model = model_run(cell, host())
        super().__init__(
            f"Launch {safe(cell.preset, 40)}?",
            self._words(None, reading=self._model is not None),
            yes="Launch",
            no="Cancel",
        )

    def on_mount(self) -> None:
        super().on_mount()
        if self._model is not None:  # its log may be long
            self.run_worker(self._read, thread=True, exit_on_error=False)

    def on_launch_screen_forecasted(self, event: Forecasted) -> None:
        self.query_one(Static).update(self._words(event.forecast, reading=False))

    def _read(self) -> None:
        assert self._model is not None
        try:
            view = view_run(RunDirectory(Path(self._model.path)))
        except RunsError:
            self.post_message(self.Forecasted(None))
        else:
            self.post_message(self.Forecasted(forecast(view, self._cell.experiment)))

    def _words(self, told: Forecast | None, *, reading: bool) -> str:
        experiment = self._cell.experiment
        lines = [
            safe(experiment.title, 200),
            "",
            f"steps   {_steps(experiment)}",
            f"seed    {self._cell.next_seed}, which no run of this recipe has used yet",
            f"data    {_data(experiment, self._presence)}",
            f"disk    {self._disk(told)}",
            f"time    {_time(told, self._model.run_id if self._model and reading else '')}",
            "",
            "It is meant for a CUDA device; without one it takes very long.",
        ]
        return "\n".join(lines)

    def _disk(self, told: Forecast | None) -> str:
        kept = count(checkpoints_kept(self._cell.experiment), "checkpoint")
        if told is not None and told.disk_bytes is not None and told.checkpoint_bytes is not None:
            each, run = size(told.checkpoint_bytes), safe(told.run_id, 40)
            needed = f"at most {size(told.disk_bytes)} ({kept} of {each}, as in {run})"
        else:
            needed = f"at most {kept}; the first will tell their size"
        try:
            return f"{needed}; {size(shutil.disk_usage(nearest_existing(self._root)).free)} are free"
        except OSError:
            return needed


def _steps(experiment: Experiment) -> str:
    steps, epochs = total_steps(experiment), count(experiment.schedule.epochs, "epoch")
    if steps is None:
        return f"{epochs}; how many steps, the images will tell"
    return f"{steps:,}: {epochs} of {steps_per_epoch(experiment)}"


def _data(experiment: Experiment, presence: Presence) -> str:
    title = DATASETS[experiment.dataset.name].title
    match presence.state:
        case "download":
            return f"a download of {size(presence.download)}, and as much again unpacked"
        case "archive":
            return f"{title} is here and will be unpacked"
        case "drawn":
            return "drawn when needed"
        case _:
            return f"{title} is on this machine"


def _time(told: Forecast | None, reading: str) -> str:
    if reading:
        return f"reading {safe(reading, 60)} ..."
    if told is None:
        return "unknown: no run of this recipe has completed an epoch yet"
    where = f"{safe(told.device, 40)} of {safe(told.host, 40)}"
    return f"about {duration(told.seconds)}, by the epochs of {safe(told.run_id, 40)} ({where})"
