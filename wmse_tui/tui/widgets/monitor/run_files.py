"""Reads the files of a run that panels show beside its state: activity log, output, map, configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.log.activity import ActivityLine
from wmse_tui.runs.log.events import Artifact
from wmse_tui.runs.log.tail import LogEnd, LogTail
from wmse_tui.runs.marked_config import read_marked_config
from wmse_tui.runs.state.embedding import map_name, read_embedding, saved_map_steps
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.spectra import SpectrumHistory
from wmse_tui.runs.text.units import size
from wmse_tui.tui.widgets.monitor.panel_lines import config_as_lines
from wmse_tui.tui.widgets.monitor.panels import Panels

Value = TypeVar("Value")

_NO_MAP = "no map yet: one is drawn with each evaluation"


class RunFiles:
    """Reads what the panels in sight need of one run, in threads, and shows it; each file one at a time.

    Args:
        run: the run.
        panels: where it is shown.
        activity: the activity lines of the run; the same tuple while there is nothing new.
    """

    def __init__(
        self, run: RunDirectory, panels: Panels, activity: Callable[[], tuple[ActivityLine, ...]]
    ) -> None:
        self._run = run
        self._panels = panels
        self._activity = activity
        self._tail = LogTail(run.trainer_log)
        self._shown_tail: LogEnd | None = None
        self._shown_map: tuple[str, int, int, int | None] | None = None  # file, step, epoch, moment
        self._spectra = SpectrumHistory(run)
        self._reading: set[str] = set()  # panels
        self._closed = False
        panels.log_lines.show(())
        panels.output.show(())
        panels.config.show(())
        panels.map.show_reason(_NO_MAP)
        panels.run_worker(self._show_config())

    def close(self) -> None:
        """Another run is shown: drop what is still being read."""
        self._closed = True

    def read_lines(self) -> None:
        """Read what is new in the activity log and the output, if those panels are in sight."""
        if "log" in self._panels.in_sight:
            self._panels.run_worker(self._show_activity())
        if "output" in self._panels.in_sight:
            self._panels.run_worker(self._show_output())

    def read_map(self, run_state: RunState, moment: int | None = None) -> None:
        """Read the newest map, or the last one up to step `moment`, if the panel shows another one."""
        newest = next((one for one in reversed(run_state.artifacts) if one.kind == "embedding"), None)
        if newest is None or "map" not in self._panels.in_sight or "map" in self._reading:
            return
        wanted = (newest.file, newest.step, newest.epoch, moment)
        if wanted != self._shown_map:
            self._shown_map = wanted
            self._panels.run_worker(self._show_map(run_state, newest, moment))

    def read_spectra(self) -> None:
        """Read the spectra of the whole run from its log: its state has only the newest."""
        if "spectra" not in self._reading:
            self._panels.run_worker(self._show_spectra())

    async def _read(self, panel: str, read: Callable[[], Value]) -> Value | RunsError | None:
        """What `read` returns or raises; None if it runs already, or another run is shown by then."""
        if panel in self._reading:
            return None
        self._reading.add(panel)
        found: Value | RunsError
        try:
            found = await asyncio.to_thread(read)
        except RunsError as error:
            found = error
        finally:
            self._reading.discard(panel)
        return None if self._closed else found

    async def _show_config(self) -> None:
        found = await self._read("config", partial(read_marked_config, self._run))
        if isinstance(found, RunsError):
            self._panels.config.show((), heading=str(found))
        elif found is not None:
            self._panels.config.show(config_as_lines(found), heading=found.note)

    async def _show_activity(self) -> None:
        found = await self._read("log", self._activity)
        if isinstance(found, tuple):
            self._panels.log_lines.show(found)

    async def _show_output(self) -> None:
        found = await self._read("output", self._tail.poll)
        if isinstance(found, RunsError):
            self._panels.output.show((), heading=str(found))
        elif found is not None and found is not self._shown_tail:
            self._shown_tail = found
            heading = (
                f"{size(found.left_out)} before these lines are left out; `wmse-tui logs --raw` prints them"
            )
            lines = tuple(map(ActivityLine, found.lines))
            self._panels.output.show(lines, heading=heading if found.left_out else "")

    async def _show_spectra(self) -> None:
        found = await self._read("spectra", self._spectra.read)
        if found is not None and not isinstance(found, RunsError):
            self._panels.whitening.show_spectra(found)

    async def _show_map(self, run_state: RunState, newest: Artifact, moment: int | None) -> None:
        artifacts = self._run.artifacts
        steps = tuple(
            step for step in await asyncio.to_thread(saved_map_steps, artifacts) if step <= newest.step
        )
        if self._closed:
            return
        self._panels.map.steps = steps = steps or (newest.step,)
        path, note = artifacts / Path(newest.file).name, ""
        if moment is not None and moment < newest.step:
            chosen = max((step for step in steps if step <= moment), default=None)
            at = next((one for one in reversed(run_state.evaluations) if one.step <= moment), None)
            if chosen is None or chosen == newest.step:
                self._panels.map.show_reason(f"no map up to step {moment} is saved")
                return
            path = artifacts / map_name(chosen)
            if at is not None and at.step != chosen:
                note = f"that of epoch {at.epoch} is not saved"
        found = await self._read("map", partial(read_embedding, path))
        if isinstance(found, RunsError):
            self._panels.map.show_reason(str(found))
        elif found is not None:
            self._panels.map.show(found, note)
